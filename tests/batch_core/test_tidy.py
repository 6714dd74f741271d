import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.batch.models import BatchJobCreateOptions, BatchJobState, BatchPoolInfo

from batch_core.app import App, utc_now
from batch_core.errors import Unavailable
from batch_core.reconcile import reconcile
from batch_core.state.record import TaskState
from batch_core.submit import submit
from batch_core.tidy import TidyReport, tidy
from tests.batch_core.steps import (
    TRIGGER,
    closed,
    collected,
    completed,
    deleted,
    dropped,
    later,
    record_of,
    recorded_only,
    running,
    submitted,
    tasks_of,
    with_command,
)
from tests.batch_emulator.control_client import faults

NOTHING = TidyReport()


async def states(app: App) -> dict[str, BatchJobState]:
    """List the jobs on the app's pool, once none of them is just being terminated."""
    async with asyncio.timeout(30):
        while True:
            listed = [job async for job in app.clients.batch.list_jobs()]
            found = {job.id: job.state for job in listed if job.pool_info.pool_id == app.settings.pool.id}
            if BatchJobState.TERMINATING not in found.values():
                return found
            await asyncio.sleep(0.05)


async def done(app: App) -> str:
    """Run one file through; returns its job."""
    return (await collected(app, (await submitted(app)).task_id)).job_id


async def test_a_job_of_a_past_day_is_closed_and_later_deleted(app):
    job_id = await done(app)
    assert await tidy(later(app, days=2)) == TidyReport(terminated=[job_id])
    assert await states(app) == {job_id: BatchJobState.COMPLETED}
    assert await tidy(later(app, days=3)) == NOTHING
    # A closed job costs the collecting ticks nothing any more.
    (job,) = await app.registry.jobs()
    assert (job.takes_tasks, job.terminated_at is not None) == (False, True)
    assert await tidy(later(app, days=9, hours=1)) == TidyReport(deleted=[job_id])
    assert await app.registry.jobs() == []
    async with asyncio.timeout(30):
        while await states(app):
            await asyncio.sleep(0.05)
    assert await tidy(later(app, days=10)) == NOTHING


async def test_todays_job_is_left_alone(app):
    await done(app)
    assert await tidy(app) == NOTHING


async def test_a_day_is_not_past_before_its_last_submissions_are_through(app):
    await done(app)
    midnight = datetime.combine(utc_now().date() + timedelta(days=1), datetime.min.time(), UTC)
    assert await tidy(replace(app, now=lambda: midnight + timedelta(minutes=59))) == NOTHING
    assert len((await tidy(replace(app, now=lambda: midnight + timedelta(minutes=61)))).terminated) == 1


@pytest.mark.parametrize("kind", ["queued", "running", "completed"])
async def test_a_job_in_which_something_is_open_is_neither_closed_nor_deleted(app, kind):
    if kind == "queued":
        await recorded_only(app, await dropped(app, "a.txt"))
    elif kind == "running":
        await running(app, (await submitted(with_command(app, "/bin/sleep 600"))).task_id)
    else:
        # Its output is not confirmed yet.
        await completed(app, [(await submitted(app)).task_id])
    assert await tidy(later(app, days=2)) == NOTHING
    job = (await app.registry.jobs())[0]
    await app.registry.note_full(job)
    await app.registry.note_termination(job, app.now())
    assert await tidy(later(app, days=30)) == NOTHING


async def test_nothing_that_is_not_in_the_apps_table_is_touched(app):
    job_id = await done(app)
    pool = BatchPoolInfo(pool_id=app.settings.pool.id)
    foreign = [f"files-{app.settings.pool.id}-20200101-1", f"other-{app.settings.pool.id}-20200101-1"]
    for name in foreign:
        await app.clients.batch.create_job(BatchJobCreateOptions(id=name, pool_info=pool))
    assert (await tidy(later(app, days=2))).terminated == [job_id]
    await tidy(later(app, days=30))
    remaining = await states(app)
    assert {name: remaining[name] for name in foreign} == dict.fromkeys(foreign, BatchJobState.ACTIVE)


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(app, calls):
    job_id = await done(app)
    calls.clear()
    assert await tidy(later(app, days=2), is_dry_run=True) == TidyReport(terminated=[job_id])
    await tidy(later(app, days=2))
    calls.clear()
    assert await tidy(later(app, days=10), is_dry_run=True) == TidyReport(deleted=[job_id])
    assert {call.method for call in calls} == {"GET"}
    assert await states(app) == {job_id: BatchJobState.COMPLETED}
    assert len(await app.registry.jobs()) == 1


async def test_ticks_that_overlap_do_no_harm(app):
    job_id = await done(app)
    await asyncio.gather(*(tidy(later(app, days=2)) for _ in range(3)))
    assert await states(app) == {job_id: BatchJobState.COMPLETED}
    await asyncio.gather(tidy(later(app, days=10)), tidy(later(app, days=10)), return_exceptions=True)
    assert await app.registry.jobs() == []


@pytest.mark.parametrize("is_terminated", [False, True], ids=["before-batch", "after-batch"])
async def test_a_closing_that_stopped_in_between_is_finished_by_the_next_tick(app, monkeypatch, is_terminated):
    job_id = await done(app)
    terminate_job = app.batch.terminate_job

    async def stops(job_id):
        if is_terminated:
            await terminate_job(job_id)
        raise Unavailable("closing", status=503)

    with monkeypatch.context() as patch:
        patch.setattr(app.batch, "terminate_job", stops)
        assert await tidy(later(app, days=2)) == TidyReport(is_complete=False)
    assert (await app.registry.jobs())[0].terminated_at is None
    assert await tidy(later(app, days=2)) == TidyReport(terminated=[job_id])
    assert await states(app) == {job_id: BatchJobState.COMPLETED}


async def test_trouble_with_one_job_leaves_the_others_to_be_tidied(app, pauses):
    first = await done(app)
    await closed(app, first)
    second = await done(app)
    trouble = {"operation": "terminate_job", "path": f"/jobs/{first}/", "answer": {"status": 503}}
    async with faults(app.settings.batch.endpoint, trouble):
        assert await tidy(later(app, days=2)) == TidyReport(terminated=[second], is_complete=False)
    assert await tidy(later(app, days=2)) == TidyReport(terminated=[first])


async def test_a_tick_out_of_time_leaves_the_rest_for_the_next(app):
    job_id = await done(app)
    assert await tidy(later(app, days=2), budget=timedelta(0)) == TidyReport(is_complete=False)
    assert await tidy(later(app, days=2)) == TidyReport(terminated=[job_id])


async def test_jobs_that_somebody_else_closed_or_deleted_are_fine(app):
    first = await done(app)
    await closed(app, first)
    assert await tidy(later(app, days=2)) == TidyReport(terminated=[first])
    await deleted(app, first)
    assert await tidy(later(app, days=10)) == TidyReport(deleted=[first])
    assert await app.registry.jobs() == []


async def test_a_submission_that_the_closing_overtook_goes_to_the_next_job(app, monkeypatch):
    yesterday = await done(app)
    version = await dropped(app, "late.txt")
    terminate_job = app.batch.terminate_job

    async def overtaken(job_id):
        # No later reader of the table is sent there.
        assert [job.takes_tasks for job in await app.registry.jobs()] == [False]
        # It has chosen its job, and is recorded after the tick looked for open work.
        await recorded_only(app, version)
        await terminate_job(job_id)

    monkeypatch.setattr(app.batch, "terminate_job", overtaken)
    in_two_days = later(app, days=2)
    await tidy(in_two_days)
    (submission,) = await submit(in_two_days, [version], detected_by=TRIGGER)
    assert (submission.record.state, submission.record.job_id != yesterday) == (TaskState.SUBMITTED, True)
    assert (await collected(in_two_days, submission.record.task_id)).state is TaskState.SUCCEEDED
    assert len([task for _, task in await tasks_of(app) if task == submission.record.task_id]) == 1


async def test_a_task_that_the_closing_ended_still_gets_its_final_state(app, monkeypatch):
    # It takes a submission that is late by hours; even that one is not left open forever.
    await done(app)
    terminate_job, late = app.batch.terminate_job, []

    async def overtaken(job_id):
        late.append(await submitted(with_command(app, "/bin/sleep 600"), "late.txt"))
        await terminate_job(job_id)

    monkeypatch.setattr(app.batch, "terminate_job", overtaken)
    await tidy(later(app, days=2))
    await completed(app, [late[0].task_id])
    await reconcile(later(app, days=2))
    record = await collected(app, late[0].task_id)
    # One that is ended as it starts leaves no output.
    assert record.state in {TaskState.FAILED, TaskState.OUTPUT_LOST}
    assert record.reason
    assert (await record_of(app, record.task_id)).closed_at


async def test_a_job_that_a_new_table_does_not_list_is_recognized_and_closed(app):
    job_id = await done(app)
    await app.registry.remove(job_id)
    unlisted = later(app, days=2)
    assert await tidy(unlisted, is_dry_run=True) == NOTHING
    assert await tidy(unlisted) == TidyReport(terminated=[job_id])
    assert await states(app) == {job_id: BatchJobState.COMPLETED}


async def test_a_job_that_is_being_deleted_is_not_listed_again(app):
    job_id = await done(app)
    await tidy(later(app, days=2))
    await app.batch.delete_job(job_id)
    await app.registry.remove(job_id)
    assert await tidy(later(app, days=10)) == NOTHING
    assert await app.registry.jobs() == []


async def test_jobs_are_not_looked_for_where_batch_does_not_list_them(app, batch_endpoint):
    job_id = await done(app)
    async with faults(batch_endpoint, {"operation": "list_jobs", "answer": {"status": 403}}):
        assert await tidy(later(app, days=2)) == TidyReport(terminated=[job_id])
