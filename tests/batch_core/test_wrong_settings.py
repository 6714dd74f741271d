"""A host whose app has settings that nothing could use answers in words, whatever they are."""

import aiohttp

from tests.app_hosts import app_host

WRONG = {
    "BATCH_ENDPOINT": "https://[account].westeurope.batch.azure.com",
    "BATCH_ACCOUNT_KEY": "schlüssel",
    "INPUT_SAS_LIFETIME": "P9999999999999D",
    "POOL_NODE_COUNT": "9" * 5000,
    "TASK_COMMAND_LINE": "/bin/bash -c 'cat",
    "TASK_COMAND_LINE": "cat",
}


async def test_settings_that_nothing_can_use_are_reported_by_every_call(app, environment, tmp_path):
    async with app_host(app, environment, tmp_path, **WRONG) as host, aiohttp.ClientSession() as http:
        async with http.get(f"{host}/api/health") as health:
            assert health.status == 503
            reply = await health.text()
        async with http.get(f"{host}/api/tasks/some-id") as record:
            assert record.status == 503
            problems = (await record.json())["problems"]
    assert all(name in reply for name in WRONG)
    assert len(problems) == len(WRONG)
    assert WRONG["BATCH_ACCOUNT_KEY"] not in reply


async def test_what_is_valid_and_hardly_meant_is_reported_beside_it(app, environment, tmp_path):
    more = {"TASK_COMMAND_LINE": "wc '$INPUT_FILE'", "SWEEP_SCHEDULE": "0 0 9 * January Friday"}
    async with (
        app_host(app, environment, tmp_path, **more) as host,
        aiohttp.ClientSession() as http,
        http.get(f"{host}/api/health") as health,
    ):
        settings = (await health.json())["checks"]["settings"]
    assert settings == {
        "ok": True,
        "detail": "all valid; TASK_COMMAND_LINE names $INPUT_FILE without a shell, and Batch expands no variables:"
        " write /bin/bash -c '...'",
    }
