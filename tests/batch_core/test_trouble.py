"""Batch throttles, fails, hangs, or loses connections and replies: no file fails by it, and none runs twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core.errors import Refused
from batch_core.naming import task_id
from batch_core.reconcile import reconcile
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit
from tests.batch_core.steps import TRIGGER, dropped, later, record_of, submitted, tasks_of
from tests.batch_emulator.control_client import control, faults

BUSY = {"answer": {"status": 503}}
THROTTLED = {"answer": {"status": 429, "retryAfter": 2}}
BROKEN = {"answer": {"status": 500}}
CUT_BEFORE = {"cut": True}
#: Batch does what it was asked; nobody hears of it.
CUT_AFTER = {"cut": True, "when": "after"}
LOST_REPLY = {"answer": {"status": 503}, "when": "after"}
SLOW = {"delay": 2, "when": "after"}
TROUBLES = {
    "busy": BUSY,
    "throttled": THROTTLED,
    "broken": BROKEN,
    "cut-before": CUT_BEFORE,
    "cut-after": CUT_AFTER,
    "lost-reply": LOST_REPLY,
    "slow": SLOW,
}


@pytest.fixture
def endpoint(app, pauses, monkeypatch):
    """The emulator, to an app that neither sleeps between its tries nor waits long for a reply."""
    monkeypatch.setattr(app.clients.batch._client._pipeline._transport.connection_config, "read_timeout", 0.3)
    return app.settings.batch.endpoint


@pytest.mark.parametrize("operation", ["create_job", "create_task_collection"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_that_stays_leaves_the_file_queued_until_it_has_passed(app, endpoint, operation, trouble):
    async with faults(endpoint, {"operation": operation, **TROUBLES[trouble]}):
        record = await submitted(app)
        assert record.state is TaskState.QUEUED
        assert record.reason.startswith("creating job" if operation == "create_job" else "adding tasks to job")
        assert record.submit_tries == 1
        assert record.next_attempt_at >= record.recorded_at + timedelta(seconds=15)
    await reconcile(later(app, minutes=5))
    record = await record_of(app, record.task_id)
    assert (record.state, record.reason, record.submitted_at is not None) == (TaskState.SUBMITTED, None, True)
    assert await tasks_of(app) == [(record.job_id, record.task_id)]


@pytest.mark.parametrize("trouble", ["busy", "throttled", "broken", "lost-reply"])
async def test_trouble_that_passes_in_time_is_not_even_noticed(app, endpoint, pauses, trouble):
    async with faults(endpoint, {"operation": "create_task_collection", "times": 2, **TROUBLES[trouble]}) as struck:
        record = await submitted(app)
        assert await struck() == [2]
    assert record.state is TaskState.SUBMITTED
    assert pauses == ([2, 2] if trouble == "throttled" else pauses)
    assert await tasks_of(app) == [(record.job_id, record.task_id)]


async def test_a_service_that_wants_to_be_left_alone_for_long_is_not_waited_for_in_the_invocation(
    app, endpoint, pauses
):
    rule = {"operation": "create_task_collection", "answer": {"status": 429, "retryAfter": 1200}}
    async with faults(endpoint, rule) as struck:
        record = await submitted(app)
        assert (await struck(), pauses) == ([1], [])
    assert "TooManyRequests" in record.reason
    assert record.next_attempt_at >= record.recorded_at + timedelta(seconds=1200)
    # It is not asked before its time either.
    await reconcile(later(app, minutes=15))
    assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    await reconcile(later(app, minutes=21))
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_each_failed_attempt_doubles_the_time_to_the_next(app, endpoint):
    async with faults(endpoint, {"operation": "create_job", **BUSY}):
        record = await submitted(app)
        for tries, seconds in [(2, 30), (3, 60)]:
            tick = later(app, minutes=5 * tries)
            await reconcile(tick)
            record = await record_of(app, record.task_id)
            assert record.submit_tries == tries
            wait = record.next_attempt_at - tick.now()
            assert timedelta(seconds=seconds - 15) < wait <= timedelta(seconds=seconds)


async def test_single_items_that_batch_cannot_take_now_stay_queued_and_the_others_go_on(app, endpoint):
    versions = [await dropped(app, f"{number}.txt") for number in range(5)]
    rule = {"operation": "create_task_collection", "items": {"status": 503}, "times": 2}
    async with faults(endpoint, rule):
        records = [one.record for one in await submit(app, versions, detected_by=TRIGGER)]
    queued = [record for record in records if record.state is TaskState.QUEUED]
    assert (len(queued), {record.state for record in records}) == (2, {TaskState.QUEUED, TaskState.SUBMITTED})
    assert all("ServerBusy" in record.reason and record.next_attempt_at for record in queued)
    await reconcile(later(app, minutes=5))
    assert {(await record_of(app, record.task_id)).state for record in records} == {TaskState.SUBMITTED}
    assert len(await tasks_of(app)) == 5


async def test_an_account_with_too_many_jobs_is_waited_for(app, endpoint):
    await control(endpoint, "PUT", "/quotas", {"activeJobsAndSchedules": 0})
    try:
        record = await submitted(app)
    finally:
        await control(endpoint, "PUT", "/quotas", {})
    assert record.state is TaskState.QUEUED
    assert "ActiveJobAndScheduleQuotaReached" in record.reason
    await reconcile(later(app, minutes=5))
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


@pytest.mark.parametrize("code", ["JobBeingDeleted", "JobBeingTerminated", "JobCompleted"])
async def test_a_job_that_is_ending_is_left_for_the_next_one(app, endpoint, code):
    job_id = await app.jobs.current()
    answer = {"status": 409, "code": code, "message": "The job is ending."}
    rule = {"operation": "create_task_collection", "path": f"/jobs/{job_id}/", "answer": answer}
    async with faults(endpoint, rule):
        record = await submitted(app)
    assert (record.state, record.job_id[-2:]) == (TaskState.SUBMITTED, "-2")


async def test_a_closed_job_that_cannot_be_looked_into_is_not_left(app, endpoint):
    # Only once it is known not to have the task may that be added elsewhere.
    job_id = await app.jobs.current()
    answer = {"status": 409, "code": "JobBeingDeleted", "message": "The job is being deleted."}
    operations = ("create_task_collection", "get_task")
    async with faults(endpoint, *({"operation": name, "answer": answer} for name in operations)):
        record = await submitted(app)
    assert (record.state, record.job_id) == (TaskState.QUEUED, job_id)
    assert "JobBeingDeleted" in record.reason
    await reconcile(later(app, minutes=5))
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_the_one_file_of_a_hundred_that_batch_can_never_take_is_rejected_alone_and_at_once(app, monkeypatch):
    versions = [replace(await dropped(app, "x"), etag=f"0x{number}") for number in range(100)]
    add_tasks, calls = app.batch.add_tasks, []

    async def picky_add_tasks(job_id, tasks):
        calls.append(len(tasks))
        if any(task.task_id == bad for task in tasks):
            raise Refused("adding tasks", status=400, code="InvalidPropertyValue", detail="The value is not valid.")
        return await add_tasks(job_id, tasks)

    bad = task_id(versions[77])
    monkeypatch.setattr(app.batch, "add_tasks", picky_add_tasks)
    records = [one.record for one in await submit(app, versions, detected_by=DetectedBy.SWEEP)]
    assert [record.task_id for record in records if record.state is TaskState.REJECTED] == [bad]
    assert sum(record.state is TaskState.SUBMITTED for record in records) == 99
    assert (await record_of(app, bad)).reason.endswith("(HTTP 400, InvalidPropertyValue): The value is not valid.")
    # Halving, not one by one.
    assert len(calls) < 20
