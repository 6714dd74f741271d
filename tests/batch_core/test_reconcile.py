import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.batch.models import BatchJobDisableOptions, DisableBatchJobOption
from azure.core.pipeline.transport import AioHttpTransport

from batch_core import collect as collect_module
from batch_core.app import App
from batch_core.collect import collect
from batch_core.in_flight import IN_FLIGHT
from batch_core.naming import BlobVersion
from batch_core.reconcile import reconcile
from batch_core.state.changes import Change, Stored
from batch_core.state.record import TaskRecord, TaskState
from batch_core.state.table import DAY_PATIENCE
from tests.batch_core.steps import (
    accepted_only,
    closed,
    collected,
    completed,
    deleted,
    dropped,
    later,
    new_record,
    output,
    record_of,
    recorded_only,
    running,
    submitted,
    tasks_of,
    with_command,
)
from tests.batch_emulator.control_client import faults


async def stuck(app: App, count: int, version: BlobVersion) -> list[Stored]:
    """Record many versions of a file, and nothing more."""
    versions = [replace(version, etag=f"0x{number}") for number in range(count)]
    return await app.table.insert([await new_record(app, one) for one in versions])


async def states_of(app: App, stored: list[Stored]) -> list[TaskState]:
    records = await app.table.records_among(one.record.task_id for one in stored)
    return [records[one.record.task_id].record.state for one in stored]


async def test_records_that_were_never_handed_over_are_in_calls_of_a_hundred(app, calls):
    stored = await stuck(app, 120, await dropped(app, "a.txt"))
    calls.clear()
    report = await reconcile(later(app, minutes=5))
    assert (report.looked_at, dict(report.done)) == (120, {"handed_over_submitted": 120, "caught_up": 0})
    assert [call.path.rpartition("/")[2] for call in calls].count("addtaskcollection") == 2
    assert set(await states_of(app, stored)) == {TaskState.SUBMITTED}


async def test_the_result_of_each_item_is_looked_at(app):
    bad = await recorded_only(app, await dropped(app, "bad.txt"))
    good = await recorded_only(app, await dropped(app, "good.txt"))

    class Inputs:
        async def sas_url(self, blob, lifetime):
            return "not a URL" if blob == "bad.txt" else await app.inputs.sas_url(blob, lifetime)

    report = await reconcile(replace(later(app, minutes=5), inputs=Inputs()))
    assert (report.done["handed_over_submitted"], report.done["handed_over_rejected"]) == (1, 1)
    assert await states_of(app, [good, bad]) == [TaskState.SUBMITTED, TaskState.REJECTED]


async def test_a_young_record_is_left_to_who_made_it(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    assert (await reconcile(app)).looked_at == 0
    assert await states_of(app, [stored]) == [TaskState.QUEUED]


@pytest.mark.parametrize("command", ["/bin/sleep 600", "/bin/true"], ids=["running", "completed"])
async def test_a_task_that_batch_accepted_and_nobody_wrote_down_is_caught_up_and_not_added_again(app, command):
    stored = await accepted_only(with_command(app, command), await dropped(app, "a.txt"))
    if command == "/bin/true":
        await completed(app, [stored.record.task_id])
    await reconcile(later(app, minutes=5))
    record = await record_of(app, stored.record.task_id)
    assert (record.state, record.reason, record.submitted_at is not None) == (TaskState.SUBMITTED, None, True)
    assert await tasks_of(app) == [(record.job_id, record.task_id)]


async def test_a_task_that_batch_accepted_and_nobody_wrote_down_is_collected_without_being_caught_up(app):
    stored = await accepted_only(app, await dropped(app, "a.txt"))
    record = await collected(app, stored.record.task_id)
    assert (record.state, record.reason) == (TaskState.SUCCEEDED, None)
    assert await output(app, record.stdout) == b"text"


@pytest.mark.parametrize("what", ["task", "job"])
async def test_a_submitted_task_that_batch_no_longer_knows_is_closed_with_the_reason(app, what):
    record = await submitted(app)
    await completed(app, [record.task_id])
    if what == "task":
        await app.clients.batch.delete_task(record.job_id, record.task_id)
    else:
        await deleted(app, record.job_id)
    assert (await reconcile(later(app, minutes=5))).done["output_lost"] == 1
    record = await record_of(app, record.task_id)
    assert record.state is TaskState.OUTPUT_LOST
    assert record.reason.startswith("Batch no longer knows the task")
    assert not await app.table.open_among([record.task_id])


async def test_a_queued_record_whose_job_was_deleted_is_handed_over_all_the_same(app):
    first = await submitted(app, "first.txt")
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    await deleted(app, first.job_id)
    await reconcile(later(app, minutes=5))
    record = await record_of(app, stored.record.task_id)
    assert record.state is TaskState.SUBMITTED
    assert await tasks_of(app) == [(record.job_id, record.task_id)]


async def unstarted(app: App) -> TaskRecord:
    """Submit a file whose job is ended before the task could start."""
    first = await submitted(with_command(app, "/bin/true"), "first.txt")
    await completed(app, [first.task_id])
    job_id = first.job_id
    options = BatchJobDisableOptions(disable_tasks=DisableBatchJobOption.REQUEUE)
    await (await app.clients.batch.begin_disable_job(job_id, options, polling_interval=0.05)).result()
    record = await submitted(app, "a.txt")
    assert (record.state, record.job_id) == (TaskState.SUBMITTED, job_id)
    await closed(app, job_id)
    return record


async def test_a_task_that_had_not_run_when_its_job_was_ended_goes_to_the_next_job(app):
    before = await unstarted(app)
    report = await reconcile(later(app, minutes=5))
    assert report.done["sent_on_submitted"] == 1
    record = await record_of(app, before.task_id)
    # The second of the day, or the first of the next one, which may begin within five minutes.
    assert record.state is TaskState.SUBMITTED
    assert record.job_id != before.job_id
    record = await collected(app, record.task_id)
    assert record.state is TaskState.SUCCEEDED
    assert await output(app, record.stdout) == b"text"


async def test_a_task_that_was_left_behind_in_an_ended_job_does_not_close_the_record_that_went_on(app):
    before = await unstarted(app)
    changed = with_command(app, "/bin/sleep 600")
    await reconcile(later(changed, minutes=5))
    await reconcile(later(changed, seconds=IN_FLIGHT.total_seconds() + 400))
    await app.clients.batch.terminate_task(before.job_id, before.task_id)
    await completed_in(app, before)
    await collect(app)
    assert (await record_of(app, before.task_id)).state is TaskState.SUBMITTED


async def completed_in(app: App, record: TaskRecord) -> None:
    """Wait until the task has completed in the job that this record names."""
    async with asyncio.timeout(30):
        while record.task_id in await app.batch.live_tasks(record.job_id):
            await asyncio.sleep(0.05)


async def test_a_completion_that_the_watermark_has_passed_is_sent_back_and_collected(app, monkeypatch):
    monkeypatch.setattr(collect_module, "OVERLAP", timedelta(seconds=-5))
    late, other = await submitted(app, "late.txt"), await submitted(app, "other.txt")
    await completed(app, [late.task_id, other.task_id])
    job = (await app.registry.jobs())[0]
    await app.registry.note_progress(job, app.now() + timedelta(seconds=5))
    assert (await collect(app)).listed == 0
    assert (await reconcile(later(app, minutes=5))).done["sent_back"] >= 1
    for record in (late, other):
        assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_a_completion_in_a_job_that_was_closed_under_it_is_collected(app):
    record = await submitted(app)
    await completed(app, [record.task_id])
    job = (await app.registry.jobs())[0]
    await app.registry.note_full(job)
    await app.registry.note_termination(job, app.now())
    assert (await collect(app)).jobs == 0
    assert (await reconcile(later(app, minutes=5))).done["sent_back"] == 1
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_a_completed_task_that_collect_has_yet_to_take_is_left_to_it(app):
    record = await submitted(app)
    await completed(app, [record.task_id])
    assert (await reconcile(later(app, minutes=5))).done["sent_back"] == 0
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_ticks_that_overlap_hand_each_record_over_once(app):
    stored = await stuck(app, 20, await dropped(app, "a.txt"))
    await asyncio.gather(*(reconcile(later(app, minutes=5)) for _ in range(3)))
    assert set(await states_of(app, stored)) == {TaskState.SUBMITTED}
    assert len(await tasks_of(app)) == 20


async def test_a_tick_out_of_time_leaves_the_rest_for_the_next(app):
    version = await dropped(app, "a.txt")
    days = [replace(version, last_modified=version.last_modified - timedelta(days=days)) for days in range(3)]
    stored = [(await stuck(app, 1, one))[0] for one in days]
    cut = await reconcile(later(app, minutes=5), budget=timedelta(0))
    assert (cut.is_complete, cut.looked_at) == (False, 1)
    assert (await reconcile(later(app, minutes=5))).is_complete
    assert set(await states_of(app, stored)) == {TaskState.SUBMITTED}


async def test_a_job_that_does_not_list_its_tasks_holds_nothing_else_up(app):
    first = await submitted(app, "a.txt")
    await app.jobs.replace(first.job_id)
    second = await recorded_only(app, await dropped(app, "b.txt"))
    assert second.record.job_id != first.job_id
    answer = {"status": 409, "code": "JobBeingDeleted", "message": "The job is being deleted."}
    rule = {"operation": "list_tasks", "path": f"/jobs/{first.job_id}/", "answer": answer}
    async with faults(app.settings.batch.endpoint, rule):
        await reconcile(later(app, minutes=5))
        assert await states_of(app, [second]) == [TaskState.SUBMITTED]
        assert (await record_of(app, first.task_id)).state is TaskState.SUBMITTED
        assert (await collected(app, second.record.task_id)).state is TaskState.SUCCEEDED


async def test_a_record_that_somebody_changes_meanwhile_is_verified_by_the_next_tick(app, monkeypatch):
    stored = await accepted_only(with_command(app, "/bin/sleep 600"), await dropped(app, "a.txt"))
    records_among = app.table.records_among

    async def changed_after_reading(task_ids):
        records = await records_among(task_ids)
        await app.table.update([Change(stored, replace(stored.record, reason="Batch does not answer"))])
        return records

    with monkeypatch.context() as patch:
        patch.setattr(app.table, "records_among", changed_after_reading)
        await reconcile(later(app, minutes=5))
    assert await states_of(app, [stored]) == [TaskState.QUEUED]
    await reconcile(later(app, minutes=5))
    assert await states_of(app, [stored]) == [TaskState.SUBMITTED]


async def test_a_tick_that_finds_all_as_it_should_be_changes_nothing(app, calls):
    record = await submitted(with_command(app, "/bin/sleep 600"))
    await running(app, record.task_id)
    await reconcile(later(app, minutes=5))
    calls.clear()
    await reconcile(later(app, minutes=5))
    assert {call.method for call in calls} == {"GET"}
    # The days, the day's open work, the jobs that are noted, what is live in the task's, selections.
    assert len(calls) == 5


async def test_a_day_without_open_work_is_forgotten_when_nobody_noted_it_for_long(app):
    record = await collected(app, (await submitted(app)).task_id)
    assert record.state.is_final
    await reconcile(later(app, minutes=5))
    assert len(await app.table.days()) == 1
    await reconcile(later(app, seconds=DAY_PATIENCE.total_seconds() + 60))
    assert await app.table.days() == []


async def test_work_that_begins_in_a_forgotten_day_is_found(app):
    await collected(app, (await submitted(app, "a.txt")).task_id)
    much_later = later(app, hours=3)
    await reconcile(much_later)
    stored = await recorded_only(much_later, await dropped(app, "b.txt"))
    await reconcile(later(app, hours=4))
    assert await states_of(app, [stored]) == [TaskState.SUBMITTED]


@pytest.mark.parametrize("call", range(1, 7))
async def test_a_day_in_which_work_begins_while_it_is_being_forgotten_is_not(app, monkeypatch, call):
    await collected(app, (await submitted(app)).task_id)
    version = await dropped(app, "b.txt")
    much_later = later(app, hours=3)
    send, calls, stored = AioHttpTransport.send, [], []

    async def send_after_an_insertion(self, request, **options):
        calls.append(request)
        if len(calls) == call:
            stored.append(await recorded_only(app, version))
        return await send(self, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(AioHttpTransport, "send", send_after_an_insertion)
        await app.table.forget_day((await app.table.days())[0], much_later.now())
    if not stored:
        # After the last of its calls: the day is forgotten, and noted again.
        assert (len(calls), await app.table.days()) == (5, [])
        stored.append(await recorded_only(app, version))
    await reconcile(later(app, minutes=5))
    assert await states_of(app, stored) == [TaskState.SUBMITTED]
