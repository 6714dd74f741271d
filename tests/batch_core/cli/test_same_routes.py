"""What a person makes here must be what the app would have made."""

import json
from pathlib import Path

import pytest

from batch_core.app import open_app
from batch_core.bookkeeping import after_tick
from batch_core.cli.origin import Origin
from batch_core.collect import collect
from batch_core.config.settings import Settings
from tests.batch_core.steps import collected, dropped, submitted

COMMAND = "/bin/bash -c 'wc \"$INPUT_FILE\"'"


@pytest.fixture
async def another(app, environment, batch_endpoint):
    """The app as it is deployed, with a command of its own, one tick on."""
    settings = Settings.from_env(environment | {"BATCH_ENDPOINT": batch_endpoint, "TASK_COMMAND_LINE": COMMAND})
    deployed = open_app(settings)
    await after_tick(deployed, "collect_outputs", vars(await collect(deployed)), 0.1)
    yield deployed
    await deployed.clients.close()


COMMANDS = [["submit", "a.txt"], ["sweep", "--all"], ["retry", "TASK"], ["retry", "--state", "succeeded", "--yes"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_no_other_command_is_run_without_a_word(app, another, batchdrop, command):
    await dropped(app, "a.txt")
    record = await submitted(another, "done.txt")
    await collected(another, record.task_id)
    command = [record.task_id if word == "TASK" else word for word in command]
    done = await batchdrop(*command)
    assert done.code == 2
    assert "the app goes by other routes than this command line, so another command would run" in done.err
    assert done.text == ""
    assert (await batchdrop(*command, TASK_COMMAND_LINE=COMMAND)).code == 0


async def test_it_can_be_meant(app, another, batchdrop):
    await dropped(app, "a.txt")
    assert (await batchdrop("submit", "a.txt", "--own-routes")).code == 0


async def test_settings_that_were_added_to_a_deployment_count_here_too(app, another, batchdrop):
    await dropped(app, "a.txt")
    added = json.dumps({"TASK_COMMAND_LINE": COMMAND, "POOL_NODE_COUNT": 2})
    assert (await batchdrop("submit", "a.txt", BATCHDROP_SETTINGS=added)).code == 0
    done = await batchdrop("submit", "a.txt", BATCHDROP_SETTINGS="[1]")
    assert (done.code, "BATCHDROP_SETTINGS is '[1]': it must be a JSON object of settings" in done.err) == (2, True)


@pytest.mark.parametrize(
    "added",
    [
        '{"TASK_COMMAND_LINE": "/bin/bash -c \'test \\! -s x\'", "JOB_PREFIX": "a"}',
        '{\\n  "TASK_COMMAND_LINE": "/bin/bash -c \'test ! -s x\'",\\n  "JOB_PREFIX": "a"\\n}',
    ],
    ids=["exclamation mark", "line breaks"],
)
def test_what_azd_escapes_and_a_shell_leaves_escaped_is_read_as_it_was_set(monkeypatch, added):
    monkeypatch.setenv("BATCHDROP_SETTINGS", added)
    values = Origin.of(Path("-")).values
    assert (values["TASK_COMMAND_LINE"], values["JOB_PREFIX"]) == ("/bin/bash -c 'test ! -s x'", "a")


async def test_where_no_app_has_run_nothing_is_compared(app, batchdrop):
    await dropped(app, "a.txt")
    assert (await batchdrop("submit", "a.txt", TASK_COMMAND_LINE=COMMAND)).code == 0


async def test_azds_variables_count_alone_and_a_file_that_is_named_wins(app, environment, batchdrop, tmp_path):
    local = {"DATA_STORAGE": "UseDevelopmentStorage=true", "BATCH_ENDPOINT": "http://127.0.0.1:9"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": local}))
    azds = {"AZURE_ENV_NAME": "test", "DATA_STORAGE__blobServiceUri": "https://sttest.blob.core.windows.net"}
    del environment["DATA_STORAGE"]
    done = await batchdrop("doctor", "--json", **azds)
    said = {check["name"]: check["detail"] for check in done.documents[0]["checks"]}
    assert "sttest.blob.core.windows.net (DATA_STORAGE__blobServiceUri of the environment)" in said["storage account"]
    assert "azd's variables" in done.text
    done = await batchdrop("doctor", "--json", "--settings", "local.settings.json", **azds)
    assert "local.settings.json" in done.text
