import asyncio
from dataclasses import replace

import pytest

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotNow, RecordNotFound
from batch_core.naming import task_id
from batch_core.retry import retry
from batch_core.state.changes import Change
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.submit import submit_again
from tests.batch_core.steps import (
    collected,
    dropped,
    output,
    record_of,
    recorded_only,
    submitted,
    tasks_of,
    with_command,
)


async def failed(app: App) -> TaskRecord:
    return await collected(app, (await submitted(with_command(app, "/bin/false"))).task_id)


async def test_a_retry_is_a_new_attempt_and_both_records_name_each_other(app):
    old = await failed(app)
    submission = await retry(app, old.task_id)
    new = submission.record
    assert (submission.is_new, new.attempt, new.detected_by) == (True, 2, DetectedBy.HTTP)
    assert (new.retry_of, (await record_of(app, old.task_id)).retried_as) == (old.task_id, new.task_id)
    new = await collected(app, new.task_id)
    assert new.state is TaskState.SUCCEEDED
    assert await output(app, new.stdout) == b"text"
    assert (await record_of(app, old.task_id)).state is TaskState.FAILED


async def test_the_same_request_again_returns_the_same_attempt(app):
    old = await failed(app)
    first, second = await retry(app, old.task_id), await retry(app, old.task_id)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.record.task_id == second.record.task_id
    assert len(await tasks_of(app)) == 2


async def test_many_requests_at_once_make_one_new_attempt(app):
    old = await failed(app)
    submissions = await asyncio.gather(*(retry(app, old.task_id) for _ in range(5)))
    assert {one.record.task_id for one in submissions} == {(await record_of(app, old.task_id)).retried_as}
    assert sum(one.is_new for one in submissions) == 1
    assert len(await tasks_of(app)) == 2


async def test_an_attempt_that_was_made_by_force_after_the_request_was_noted_is_linked_both_ways(app):
    old = await failed(app)
    version = await app.inputs.version_of(old.blob)
    stored = await app.table.get(old.task_id)
    await app.table.update([Change(stored, replace(stored.record, retried_as=task_id(version, 2)))])
    forced = await submit_again(app, version, detected_by=DetectedBy.HTTP)
    submission = await retry(app, old.task_id)
    assert (submission.is_new, submission.record.task_id) == (False, forced.record.task_id)
    assert (await record_of(app, forced.record.task_id)).retry_of == old.task_id


async def test_no_attempt_is_named_that_is_not_made(app, monkeypatch):
    old = await failed(app)
    transactions = []

    async def stops(client, operations):
        transactions.append([name for name, *_ in operations])
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("batch_core.state.transactions._send", stops)
        with pytest.raises(asyncio.CancelledError):
            await retry(app, old.task_id)
    # The day's guard, the new record with its index entity, and the old record's change.
    assert transactions == [["update", "create", "create", "update"]]
    assert (await record_of(app, old.task_id)).retried_as is None


async def test_a_request_of_an_older_version_that_stopped_after_it_was_noted_is_finished_by_the_next(app):
    old = await failed(app)
    stored = await app.table.get(old.task_id)
    claimed = task_id(old.version, 2)
    await app.table.update([Change(stored, replace(stored.record, retried_as=claimed))])
    submission = await retry(app, old.task_id)
    assert (submission.is_new, submission.record.task_id) == (True, claimed)
    assert submission.record.state is TaskState.SUBMITTED


async def test_an_attempt_can_be_retried_itself(app):
    first = await failed(app)
    second = (await retry(with_command(app, "/bin/false"), first.task_id)).record
    await collected(app, second.task_id)
    third = (await retry(app, second.task_id)).record
    assert (third.attempt, third.retry_of) == (3, second.task_id)
    assert (await record_of(app, second.task_id)).retried_as == third.task_id


async def test_an_attempt_that_somebody_forced_is_passed_over(app):
    old = await failed(app)
    forced = (await submit_again(app, old.version, detected_by=DetectedBy.HTTP)).record
    new = (await retry(app, old.task_id)).record
    assert (forced.attempt, new.attempt) == (2, 3)


async def test_a_task_that_has_not_ended_cannot_be_retried(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    with pytest.raises(NotNow, match="is queued"):
        await retry(app, stored.record.task_id)


async def test_an_unknown_task_cannot_be_retried(app):
    with pytest.raises(RecordNotFound):
        await retry(app, "20261123T080102-nobody-0123456789abcdef")


async def test_a_file_that_has_changed_since_is_not_run_in_place_of_the_old_one(app):
    old = await failed(app)
    await dropped(app, old.blob, b"another text")
    with pytest.raises(NotNow, match="has changed since"):
        await retry(app, old.task_id)
    assert await record_of(app, old.task_id) == old


async def test_a_file_that_is_gone_cannot_be_retried(app):
    old = await failed(app)
    await app.clients.blobs.get_blob_client(old.container, old.blob).delete_blob()
    with pytest.raises(BlobNotFound):
        await retry(app, old.task_id)
    assert await record_of(app, old.task_id) == old
