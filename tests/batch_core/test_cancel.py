import asyncio

import pytest

from batch_core.app import App
from batch_core.cancel import IN_FLIGHT, cancel
from batch_core.errors import NotNow, RecordNotFound, Unavailable
from batch_core.reconcile import reconcile
from batch_core.services.task_files import TaskFile
from batch_core.state.record import TaskState
from batch_core.submit import submit
from tests.batch_core.steps import (
    TRIGGER,
    collected,
    completed,
    deleted,
    dropped,
    later,
    output,
    record_of,
    recorded_only,
    running,
    submitted,
    tasks_of,
    with_command,
)
from tests.batch_emulator.control_client import faults

ALMOST, OVER = IN_FLIGHT.total_seconds() - 30, IN_FLIGHT.total_seconds() + 30
LONG = "/bin/bash -c 'echo begun; sleep 600'"


async def wished_only(app: App, task_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave behind what an app leaves that stopped right after it had recorded the request."""

    async def stops(job_id, task_id):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(app.batch, "terminate_task", stops)
        with pytest.raises(asyncio.CancelledError):
            await cancel(app, task_id)


async def printed(app: App, task_id: str) -> None:
    """Wait until the command has printed something."""
    await running(app, task_id)
    record = await record_of(app, task_id)
    async with asyncio.timeout(30):
        while not (await app.files.properties(TaskFile(job_id=record.job_id, task_id=task_id, name="stdout.txt"))).size:
            await asyncio.sleep(0.05)


async def test_a_queued_task_is_never_handed_over_and_cancelled_when_no_call_can_be_under_way(app):
    version = await dropped(app, "a.txt")
    stored = await recorded_only(app, version)
    record = await cancel(app, stored.record.task_id)
    assert (record.state, record.reason) == (TaskState.QUEUED, "being cancelled on request")
    await submit(app, [version], detected_by=TRIGGER)
    await reconcile(later(app, seconds=ALMOST))
    assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    await reconcile(later(app, seconds=OVER))
    record = await record_of(app, record.task_id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled before it ran")
    assert await tasks_of(app) == []


async def test_a_task_that_batch_had_and_forgot_is_cancelled_at_once(app):
    submission = await submitted(with_command(app, LONG))
    await deleted(app, submission.job_id)
    record = await cancel(app, submission.task_id)
    assert record.state is TaskState.CANCELLED
    assert record.reason == "cancelled on request; Batch no longer knew the task"


async def test_a_cancelled_task_without_output_is_cancelled_and_not_lost(app, monkeypatch):
    submission = await submitted(with_command(app, LONG))
    await printed(app, submission.task_id)
    await cancel(app, submission.task_id)
    await app.clients.batch.delete_task_file(submission.job_id, submission.task_id, "stdout.txt")
    record = await collected(app, submission.task_id)
    assert record.state is TaskState.CANCELLED
    assert record.reason.startswith("cancelled on request; what it printed is not there: ")


async def test_a_task_that_waits_for_a_node_is_cancelled_and_never_runs(app):
    blockers = [await submitted(with_command(app, LONG), f"{number}.txt") for number in range(2)]
    for blocker in blockers:
        await running(app, blocker.task_id)
    waiting = await submitted(with_command(app, "/bin/true"), "waiting.txt")
    assert (await cancel(app, waiting.task_id)).reason == "being cancelled on request"
    record = await collected(app, waiting.task_id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled on request")
    assert (record.node_id, record.stdout) == (None, None)


async def test_a_running_task_is_stopped_and_what_it_printed_is_kept(app):
    submission = await submitted(with_command(app, LONG))
    await printed(app, submission.task_id)
    assert (await cancel(app, submission.task_id)).state is TaskState.SUBMITTED
    record = await collected(app, submission.task_id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled on request")
    assert record.cancel_requested_at <= record.closed_at
    assert await output(app, record.stdout) == b"begun\n"


async def test_a_task_that_ended_by_itself_meanwhile_is_not_called_cancelled(app):
    submission = await submitted(app)
    await completed(app, [submission.task_id])
    await cancel(app, submission.task_id)
    record = await collected(app, submission.task_id)
    assert (record.state, record.reason) == (TaskState.SUCCEEDED, None)
    assert await output(app, record.stdout) == b"text"


async def test_a_task_with_its_final_state_cannot_be_cancelled(app):
    record = await collected(app, (await submitted(app)).task_id)
    with pytest.raises(NotNow, match=r"has ended already \(succeeded\)"):
        await cancel(app, record.task_id)
    assert await record_of(app, record.task_id) == record


async def test_an_unknown_task_cannot_be_cancelled(app):
    with pytest.raises(RecordNotFound):
        await cancel(app, "20261123T080102-nobody-0123456789abcdef")


async def test_a_second_request_changes_nothing(app):
    submission = await submitted(with_command(app, LONG))
    await running(app, submission.task_id)
    first = await cancel(app, submission.task_id)
    assert await cancel(app, submission.task_id) == first
    assert (await collected(app, submission.task_id)).state is TaskState.CANCELLED


async def test_many_requests_at_once_make_one_cancellation(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    records = await asyncio.gather(*(cancel(app, stored.record.task_id) for _ in range(5)))
    assert {one.reason for one in records} == {"being cancelled on request"}
    await asyncio.gather(*(reconcile(later(app, seconds=OVER)) for _ in range(3)))
    assert (await record_of(app, stored.record.task_id)).state is TaskState.CANCELLED


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_during_the_submission_stops_the_task_that_batch_just_took(app, monkeypatch, when):
    version = await dropped(app, "a.txt")
    stored = await recorded_only(with_command(app, LONG), version)
    add_tasks = app.batch.add_tasks

    async def interrupted(job_id, tasks):
        if when == "before":
            await cancel(app, stored.record.task_id)
        errors = await add_tasks(job_id, tasks)
        if when == "after":
            await cancel(app, stored.record.task_id)
        return errors

    monkeypatch.setattr(app.batch, "add_tasks", interrupted)
    await submit(with_command(app, LONG), [version], detected_by=TRIGGER)
    # Whichever was first: nothing goes on running.
    await completed(app, [stored.record.task_id])
    assert (await collected(app, stored.record.task_id)).state is TaskState.CANCELLED


async def test_a_submission_that_adds_the_task_after_the_request_and_then_dies_leaves_nothing_running(app, monkeypatch):
    version = await dropped(app, "a.txt")
    long = with_command(app, LONG)
    stored = await recorded_only(long, version)
    add_tasks = app.batch.add_tasks

    async def dies(job_id, tasks):
        await cancel(app, stored.record.task_id)
        await reconcile(later(long, minutes=5))
        await add_tasks(job_id, tasks)
        raise asyncio.CancelledError

    monkeypatch.setattr(app.batch, "add_tasks", dies)
    with pytest.raises(asyncio.CancelledError):
        await submit(long, [version], detected_by=TRIGGER)
    await running(app, stored.record.task_id)
    await reconcile(later(app, seconds=OVER))
    await completed(app, [stored.record.task_id])
    record = await collected(app, stored.record.task_id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled on request")


@pytest.mark.parametrize("command", [LONG, None], ids=["running", "queued"])
async def test_a_request_that_stopped_before_the_termination_is_finished_by_the_next_tick(app, monkeypatch, command):
    version = await dropped(app, "a.txt")
    if command is None:
        task_id = (await recorded_only(app, version)).record.task_id
    else:
        task_id = (await submitted(with_command(app, command))).task_id
        await running(app, task_id)
    await wished_only(app, task_id, monkeypatch)
    assert (await record_of(app, task_id)).reason == "being cancelled on request"
    await reconcile(later(app, seconds=OVER))
    assert (await collected(app, task_id)).state is TaskState.CANCELLED


async def test_a_request_while_batch_is_out_of_reach_is_kept(app, pauses):
    submission = await submitted(with_command(app, LONG))
    await running(app, submission.task_id)
    async with faults(app.settings.batch.endpoint, {"operation": "terminate_task", "answer": {"status": 503}}):
        with pytest.raises(Unavailable):
            await cancel(app, submission.task_id)
    await reconcile(later(app, minutes=5))
    assert (await collected(app, submission.task_id)).state is TaskState.CANCELLED


async def test_one_task_that_cannot_be_stopped_now_does_not_keep_the_others_from_being(app, monkeypatch):
    tasks = [await submitted(with_command(app, LONG), f"{number}.txt") for number in range(2)]
    for task in tasks:
        await running(app, task.task_id)
        await wished_only(app, task.task_id, monkeypatch)
    answer = {"status": 409, "code": "OperationInvalidForCurrentState", "message": "Not now."}
    rule = {"operation": "terminate_task", "answer": answer, "times": 1}
    async with faults(app.settings.batch.endpoint, rule):
        await reconcile(later(app, minutes=5))
    states = [await app.batch.live_tasks(task.job_id) for task in tasks]
    assert [len(one) for one in states] == [1, 1]
    await reconcile(later(app, minutes=5))
    for task in tasks:
        assert (await collected(app, task.task_id)).state is TaskState.CANCELLED
