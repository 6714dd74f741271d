"""Files of every name through the running app: its trigger, its submissions by hand and its replies."""

import asyncio

import aiohttp
import pytest

from tests.app_hosts import app_host
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import dropped, output, outputs, tasks_of
from tests.hostile_names import LISTED

COMMAND = """/bin/bash -c 'cat "$INPUT_FILE"; printf %s "$INPUT_BLOB" >&2'"""

REFUSED = [
    (b'{"blob": "null\\u0000.txt"}', 400, "no name of a blob holds"),
    (b'{"blob": "half \\ud83d.txt"}', 400, "no name of a blob holds"),
    (b'{"blob": "../output/a.txt"}', 404, "there is no blob"),
    (b'{"blob": "a/../b.txt"}', 404, "there is no blob"),
    (b'{"blob": "a\\\\b.txt"}', 404, "there is no blob"),
    (b'{"blob": "not there \\u0007.txt"}', 404, "there is no blob"),
]


@pytest.fixture
async def url(app, environment, tmp_path):  # noqa: F811
    async with app_host(app, environment, tmp_path, TASK_COMMAND_LINE=COMMAND) as host:
        yield f"{host}/api/tasks"


async def test_the_trigger_takes_files_of_every_name_and_http_knows_them_by_it(app, url):  # noqa: F811
    for kind, name in LISTED.items():
        await dropped(app, name, kind.encode())
    async with asyncio.timeout(90):
        while len(await outputs(app)) < 2 * len(LISTED):
            await asyncio.sleep(0.2)
    async with aiohttp.ClientSession() as http:
        for kind, name in LISTED.items():
            async with http.post(url, json={"blob": name}) as response:
                assert response.status == 200, (kind, await response.text())
                submission = await response.json()
            record = await closed(http, submission["status_url"])
            assert (record["blob"], record["state"], record["detected_by"]) == (name, "succeeded", "trigger")
            assert await output(app, record["stdout"]) == kind.encode()
            assert await output(app, record["stderr"]) == name.encode()
    assert len(await tasks_of(app)) == len(LISTED)


async def closed(http, status_url):
    """Wait for the record's final state: it comes after the output."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(status_url) as response:
                record = await response.json()
            if record["closed_at"]:
                return record
            await asyncio.sleep(0.1)


async def test_names_that_no_file_can_have_are_refused_with_the_reason(app, url):  # noqa: F811
    await dropped(app, "b.txt")
    async with aiohttp.ClientSession() as http:
        for body, status, words in REFUSED:
            async with http.post(url, data=body) as response:
                assert response.status == status
                assert words in (await response.json())["error"]
