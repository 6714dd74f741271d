"""The same submission many times at once, through two processes of the app that share storage and Batch: one task."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.app_hosts import app_host
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import output, outputs, tasks_of

FILES = [f"{number}.txt" for number in range(6)]
POSTS_EACH = 8


@pytest.fixture
async def instances(app, environment, tmp_path):  # noqa: F811
    """Two processes, of which each sees every event and sweeps, too."""
    often = {"SWEEP_SCHEDULE": "* * * * * *", "SWEEP_GRACE": "PT1S"}
    async with (
        app_host(app, environment, tmp_path, 1, **often) as one,
        app_host(app, environment, tmp_path, 2, **often) as other,
    ):
        yield one, other


async def test_one_file_is_one_task_however_often_and_wherever_it_is_submitted(app, instances):  # noqa: F811
    container = app.clients.blobs.get_container_client(app.settings.input_container)
    async with aiohttp.ClientSession() as http:

        async def post(url, name):
            async with http.post(f"{url}/api/tasks", json={"blob": name}) as response:
                document = await response.json()
                assert response.status in {200, 202}, document
                return name, response.status, document["task_id"]

        await asyncio.gather(*(container.upload_blob(name, name.encode()) for name in FILES))
        # The triggers and the sweeps of both instances see the files meanwhile.
        replies = await asyncio.gather(
            *(post(url, name) for _ in range(POSTS_EACH) for name in FILES for url in instances)
        )
    task_of = {name: task_id for name, _, task_id in replies}
    assert {(name, task_id) for name, _, task_id in replies} == set(task_of.items())
    # Nobody, or one of them, recorded it first.
    assert max(Counter(name for name, status, _ in replies if status == 202).values(), default=0) <= 1
    async with asyncio.timeout(60):
        while await app.table.open_among(task_of.values()):
            await asyncio.sleep(0.1)
    assert sorted(task_id for _, task_id in await tasks_of(app)) == sorted(task_of.values())
    assert len(await outputs(app)) == len(FILES)
    for name, task_id in task_of.items():
        assert await output(app, f"{name}/{task_id}/stdout.txt") == name.encode()
