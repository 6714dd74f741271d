"""What a file of a burst costs in calls, from its event to its final record: a budget for each kind of call."""

import asyncio
import json
from collections import Counter

import pytest

from batch_core.collect import collect
from batch_core.intake import take
from batch_core.state.record import TaskState
from local.settings_file import CHECKOUT
from tests.batch_core.steps import dropped, with_routes

FILES = 160
#: The host calls the function for so many blobs at a time.
HOST = json.loads((CHECKOUT / "host.json").read_text(encoding="utf-8"))
AT_ONCE = HOST["extensions"]["blobs"]["maxDegreeOfParallelism"]
COPIED = {"look": 1.0, "read": 2.0, "write": 1.0, "delete": 0.0, "table": 0.3, "batch": 0.05}
UPLOADED = COPIED | {"read": 0.0, "write": 0.0}
#: The job is looked for, made and listed once for all files; the first of them travel alone.
ONCE = {"batch": 6}


@pytest.mark.parametrize(
    ("words", "budget"),
    [
        ('stdout = "copy"', COPIED),
        ('stdout = "upload"', UPLOADED),
        ('stdout = "upload"\ninput_after = "delete"', UPLOADED | {"delete": 1.0}),
    ],
)
async def test_a_file_of_a_burst_costs_no_more_calls_than_its_budget(app, tmp_path, calls, words, budget):
    text = f"[[routes]]\nname = 'all'\nmatch = '**'\ncommand = '/bin/true'\n{words}"
    app = with_routes(app, tmp_path / "routes.toml", text)
    names = [f"{number}.txt" for number in range(FILES)]
    await asyncio.gather(*(dropped(app, name) for name in names))
    calls.clear()
    room = asyncio.Semaphore(AT_ONCE)

    async def event(name):
        async with room:
            await take(app, app.settings.input_container, name)

    await asyncio.gather(*map(event, names))
    taken = len(calls)
    await all_completed(app)
    del calls[taken:]
    assert (await collect(app)).states == {TaskState.SUCCEEDED: FILES}
    spent = Counter(map(kind_of, calls))
    assert spent.keys() <= budget.keys()
    most = {kind: of_a_file * FILES + ONCE.get(kind, 0) for kind, of_a_file in budget.items()}
    assert {kind: spent[kind] for kind in most if spent[kind] > most[kind]} == {}


async def all_completed(app):
    async with asyncio.timeout(60):
        for job in await app.registry.jobs():
            while await app.batch.live_tasks(job.job_id):
                await asyncio.sleep(0.1)


def kind_of(call):
    match call.service, call.method:
        case "blob", "HEAD":
            return "look"
        case "blob", "PUT":
            return "write"
        case "blob", "DELETE":
            return "delete"
        case "batch", "GET" if "/files/" in call.path:
            return "read"
        case service, _:
            return service
