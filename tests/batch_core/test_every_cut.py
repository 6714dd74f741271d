"""All that the app does is cut short at each of its calls in turn; what follows in fair weather makes it whole."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from batch_core.app import App
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.submit import submit
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from tests.batch_core.cuts import Cut, End
from tests.batch_core.steps import TRIGGER, accepted_only, later, recorded_only
from tests.batch_core.world import World

#: Set for a longer run, as CONTRIBUTING.md says: then work is also cancelled at each of its calls.
IS_LONG = "LIFE_EXAMPLES" in os.environ
_AT_ONCE = 10


type Work = Callable[[App], Awaitable[object]]


async def two_files(world: World) -> Work:
    versions = [await world.drop("good.txt"), await world.drop("bad.txt", exit_code=3)]
    return lambda app: submit(app, versions, detected_by=TRIGGER)


async def a_file_whose_job_takes_no_more(world: World) -> Work:
    await world.do(await two_files(world))
    await world.close_jobs()
    world.restart()
    version = await world.drop("late.txt")
    return lambda app: submit(app, [version], detected_by=TRIGGER)


async def files_without_events(world: World) -> Work:
    await two_files(world)
    return sweep


async def completed_tasks(world: World) -> Work:
    await world.do(await two_files(world))
    for name in world.files:
        await world.end(await world.task_of(name))
    return collect


async def every_kind_of_open_record(world: World) -> Work:
    """One that was only recorded, one that Batch just took, one that it forgot, one to be stopped, one that runs."""
    await recorded_only(world.app, await world.drop("recorded.txt"))
    await accepted_only(world.app, await world.drop("accepted.txt"))
    versions = [await world.drop(name) for name in ("forgotten.txt", "stopped.txt", "runs.txt")]
    await submit(world.app, versions, detected_by=TRIGGER)
    await world.forget_task(await world.task_of("forgotten.txt"))
    # Its calls: read the record, note the request, ask Batch.
    task = await world.task_of("stopped.txt")
    await world.do(lambda app: cancel(app, task), Cut(at=3, is_after=False, end=End.CRASH))
    # What waits for a node costs other calls than what runs.
    for name in ("accepted.txt", "stopped.txt", "runs.txt"):
        await world.started(await world.task_of(name))
    return reconcile


async def a_route_that_has_changed(world: World) -> Work:
    """One record was never handed over, one was; then the settings' route says something else."""
    await recorded_only(world.app, await world.drop("recorded.txt"))
    accepted = await accepted_only(world.app, await world.drop("accepted.txt"))
    await world.started(accepted.record.task_id)
    return lambda app: reconcile(later(with_longer_tasks(app), minutes=5))


def with_longer_tasks(app: App) -> App:
    task = replace(app.settings.task, max_wall_clock_time=app.settings.task.max_wall_clock_time * 2)
    return replace(app, settings=replace(app.settings, task=task))


async def a_task_that_only_its_ended_job_knows(world: World) -> Work:
    """Batch took the task, the process ended before that was written down, and somebody ended the job."""
    stored = await accepted_only(world.app, await world.drop("accepted.txt"))
    await world.started(stored.record.task_id)
    await world.close_jobs()
    return reconcile


async def ends_that_are_left_behind(world: World) -> Work:
    """Two tasks have ended, and the process that wrote that has sent no event."""
    await world.do(await completed_tasks(world))
    await world.do(lambda app: collect(replace(app, queue=None)))
    return lambda app: reconcile(later(app, minutes=5))


async def a_running_task(world: World) -> Work:
    await world.do(await two_files(world))
    task = await world.task_of("good.txt")
    await world.started(task)
    return lambda app: cancel(app, task)


async def a_task_that_batch_does_not_have(world: World) -> Work:
    stored = await recorded_only(world.app, await world.drop("recorded.txt"))
    return lambda app: cancel(app, stored.record.task_id)


async def a_failed_task(world: World) -> Work:
    await world.do(await two_files(world))
    await world.settle()
    task = await world.task_of("bad.txt")
    return lambda app: retry(app, task)


async def lost_output_that_is_run_again(world: World) -> Work:
    """A task of which Batch knows nothing any more, and a file that its node has lost."""
    command = world.app.settings.task.command_line
    route = {"name": "again", "match": "**", "command": command, "lost_output_retries": 1}
    world.change_routes("[[routes]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in route.items()))
    await world.do(await two_files(world))
    task = await world.task_of("good.txt")
    await world.end(task)
    await world.forget_task(task)
    return reconcile


async def a_job_of_yesterday(world: World) -> Work:
    await world.do(await two_files(world))
    await world.settle()
    return lambda app: tidy(later(app, days=1))


async def a_job_of_last_week(world: World) -> Work:
    await world.do(await a_job_of_yesterday(world))
    return lambda app: tidy(later(app, days=9))


SITUATIONS = {
    "submit": two_files,
    "submit to the next job": a_file_whose_job_takes_no_more,
    "sweep": files_without_events,
    "collect": completed_tasks,
    "reconcile": every_kind_of_open_record,
    "reconcile a route that has changed": a_route_that_has_changed,
    "reconcile after the job's end": a_task_that_only_its_ended_job_knows,
    "cancel what runs": a_running_task,
    "cancel what waits": a_task_that_batch_does_not_have,
    "retry": a_failed_task,
    "run again": lost_output_that_is_run_again,
    "tidy, closing": a_job_of_yesterday,
    "tidy, deleting": a_job_of_last_week,
}


@pytest.mark.slow  # what happens to a record in any order, cuts included, is in test_life_of_a_record
@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
async def test_whatever_is_cut_short_is_made_whole(make_world, situation):
    await all_cuts_made_whole(make_world, situation)


ANNOUNCED = {
    "collect": completed_tasks,
    "reconcile": every_kind_of_open_record,
    "cancel what waits": a_task_that_batch_does_not_have,
    "run again": lost_output_that_is_run_again,
    "announce what is left": ends_that_are_left_behind,
}


@pytest.mark.slow
@pytest.mark.parametrize("situation", ANNOUNCED.values(), ids=ANNOUNCED)
async def test_whatever_is_cut_short_every_end_is_announced(events_queue, make_world, situation):
    await all_cuts_made_whole(make_world, situation)


async def all_cuts_made_whole(make_world, situation) -> None:
    whole = Cut(at=0, is_after=False, end=End.CRASH)
    await in_a_world(make_world, situation, whole)
    few = asyncio.Semaphore(_AT_ONCE)

    async def attempt(cut: Cut) -> str | None:
        async with few:
            try:
                await in_a_world(make_world, situation, cut)
            except Exception as exc:  # noqa: BLE001 - reported with the others
                return f"{cut}: {exc!r}"
            return None

    failures = await asyncio.gather(*(attempt(cut) for cut in cuts_of(whole.made)))
    assert [one for one in failures if one] == []


def cuts_of(calls: int) -> list[Cut]:
    """Return a cut before each call and one after the last: after a call is before the next."""
    places = [(number, False) for number in range(1, calls + 1)] + [(calls, True)]
    ends = End if IS_LONG else [End.CRASH]
    return [Cut(at=number, is_after=is_after, end=end) for number, is_after in places for end in ends]


async def in_a_world(make_world, situation, cut: Cut) -> None:
    """Bring the situation about, cut short what follows from it, and let things settle."""
    world = await make_world()
    work = await situation(world)
    world.restart()
    await world.do(work, cut)
    # A lost connection to Azurite, which the SDK mends, makes one call more in one world and none in another.
    assert cut.is_done == bool(cut.at) or cut.at - cut.made in {1, 2}
    # And life goes on.
    version = await world.drop("next.txt")
    await world.do(lambda app: submit(app, [version], detected_by=TRIGGER))
    await world.settle()
