import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pytest

from batch_core.coalescing import Coalescer
from batch_core.errors import Unavailable
from batch_core.naming import BlobVersion
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit
from tests.batch_core.steps import dropped


def version(number: int) -> BlobVersion:
    return BlobVersion(
        container="input", name=f"{number}", etag="0x1", last_modified=datetime(2026, 11, 23, tzinfo=UTC), size=1
    )


@dataclass
class Recorder:
    """Stands in for the submission: waits until it may go on, and answers with the names."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    together: list[list[str]] = field(default_factory=list)

    async def submit(self, versions):
        self.together.append([one.name for one in versions])
        await self.go_on.wait()
        if any(one.name == "13" for one in versions):
            raise Unavailable("adding tasks")
        return [one.name for one in versions]


async def test_a_single_arrival_goes_at_once():
    recorder = Recorder()
    recorder.go_on.set()
    assert await Coalescer(100).run(version(1), recorder.submit) == "1"
    assert recorder.together == [["1"]]


async def test_what_arrives_meanwhile_goes_together_a_hundred_at_a_time():
    recorder = Recorder()
    arrivals = Coalescer(100)
    running = [asyncio.create_task(arrivals.run(version(100 + number), recorder.submit)) for number in range(151)]
    await asyncio.sleep(0)
    later = [asyncio.create_task(arrivals.run(version(300 + number), recorder.submit)) for number in range(20)]
    await asyncio.sleep(0)
    recorder.go_on.set()
    assert await asyncio.gather(*running, *later) == [str(n) for n in [*range(100, 251), *range(300, 320)]]
    assert [len(names) for names in recorder.together] == [100, 71]


async def test_an_error_reaches_everybody_who_went_together_and_nobody_else():
    recorder = Recorder()
    arrivals = Coalescer(100)
    first = [asyncio.create_task(arrivals.run(version(number), recorder.submit)) for number in (13, 14)]
    await asyncio.sleep(0)
    recorder.go_on.set()
    for one in first:
        with pytest.raises(Unavailable):
            await one
    assert await arrivals.run(version(15), recorder.submit) == "15"


async def test_a_cancelled_invocation_takes_nobody_with_it():
    recorder = Recorder()
    arrivals = Coalescer(100)
    cancelled, other = [asyncio.create_task(arrivals.run(version(number), recorder.submit)) for number in (1, 2)]
    await asyncio.sleep(0)
    cancelled.cancel()
    recorder.go_on.set()
    assert await other == "2"


async def test_many_that_gather_begin_calls_beside_the_first_and_few_wait_for_it():
    recorder = Recorder()
    arrivals = Coalescer(10, at_once=3, enough=4)

    async def arrive(numbers):
        running = [asyncio.create_task(arrivals.run(version(number), recorder.submit)) for number in numbers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return running

    running = await arrive([100])
    running += await arrive([101, 102, 103])
    assert [len(names) for names in recorder.together] == [1]
    running += await arrive([104])
    running += await arrive(range(200, 210))
    running += await arrive(range(300, 310))
    assert [len(names) for names in recorder.together] == [1, 4, 10]
    recorder.go_on.set()
    assert len(await asyncio.gather(*running)) == 25
    assert [len(names) for names in recorder.together] == [1, 4, 10, 10]
    # Nothing is left behind that would keep the next one from being worked on.
    assert await asyncio.wait_for(arrivals.run(version(1), recorder.submit), 5) == "1"


async def test_the_last_call_takes_the_few_that_wait_whichever_call_that_is():
    recorder = Recorder()
    arrivals = Coalescer(10, at_once=2, enough=4)
    running = [asyncio.create_task(arrivals.run(version(100 + number), recorder.submit)) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    few = [asyncio.create_task(arrivals.run(version(200 + number), recorder.submit)) for number in range(3)]
    await asyncio.sleep(0)
    recorder.go_on.set()
    assert len(await asyncio.wait_for(asyncio.gather(*running, *few), 5)) == 23
    assert sum(len(names) for names in recorder.together) == 23


async def test_a_burst_costs_few_calls(app, calls):
    versions = [await dropped(app, f"{number}.txt", b"text") for number in range(40)]
    work = partial(submit, app, detected_by=DetectedBy.TRIGGER)
    await app.arrivals.run(versions[0], work)
    calls.clear()
    submissions = await asyncio.gather(*(app.arrivals.run(one, work) for one in [*versions[1:], versions[1]]))
    assert all(one.record.state is TaskState.SUBMITTED for one in submissions)
    # All gather before the loop runs: one insertion, one call to Batch, one change.
    assert [(call.service, call.path.rpartition("/")[2]) for call in calls] == [
        ("table", "$batch"),
        ("batch", "addtaskcollection"),
        ("table", "$batch"),
    ]
