"""Another attempt at a task: the operator's, when it has ended, or the app's own, when its output is lost.

The old record names its successor by a change on its ETag (optimistic concurrency): so two requests at the same time
make one new attempt. A person's request makes both in one transaction, so that none is named that is never made. Where
output is lost the open record names it first, and an interrupted call is finished by the next tick.
"""

from dataclasses import replace
from typing import Final

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotAFile, NotNow, RecordNotFound, TooManyAttempts, VersionChanged
from batch_core.naming import BlobVersion, attempt_of, task_id
from batch_core.state.changes import Change, Stored
from batch_core.state.record import DetectedBy, Outcome, TaskRecord
from batch_core.submission import Submission
from batch_core.submit import next_attempt, submit_after, submit_attempt

_TRIES: Final = 5


async def retry(app: App, old_task_id: str, asked_by: str | None = None) -> Submission:
    """Make a new attempt at the same file; idempotent: the same request again returns the same attempt.

    The record of the new attempt names who asked first.

    Raises `RecordNotFound`, `BlobNotFound`, `NotNow` if the task has not ended or its file has changed since, and the
    `ServiceError` that fits.
    """
    stored = await app.table.get(old_task_id)
    if not stored.record.state.is_final:
        raise NotNow(f"task {old_task_id} is {stored.record.state}: it can be retried when it has ended")
    version = await _same_version(app, stored.record)
    for _ in range(_TRIES):
        record = stored.record
        if record.retried_as is not None:
            return await _submit_next(app, version, record, DetectedBy.HTTP, asked_by)
        attempt = await next_attempt(app, record.version)
        claim = Change(stored, replace(record, retried_as=task_id(record.version, attempt)))
        made = await submit_after(app, version, attempt, claim, detected_by=DetectedBy.HTTP, asked_by=asked_by)
        if made is not None:
            return made
        stored = await app.table.get(old_task_id)
    raise NotNow(f"task {old_task_id} was modified concurrently: try again")


async def run_again(app: App, task: str, lost: Outcome) -> Outcome:
    """Make the next attempt at a file whose output is lost, if its route wants one; returns the outcome, which says so.

    The open record names that attempt and the reason first, and its caller closes it last: an interrupted call is
    finished by the next tick, whatever that finds of the output. Raises `RecordNotFound`, and `ServiceError` or
    `NotNow` if nothing is decided yet.
    """
    stored = await app.table.get(task)
    record = stored.record
    is_named = record.retried_as is not None
    if record.state.is_final or not (is_named or _is_wanted_again(record)):
        return lost
    lost = replace(lost, reason=(record.reason if is_named else None) or lost.reason)
    if record.cancel_requested_at and record.retried_as and not await _exists(app, record.retried_as):
        return replace(lost, reason=f"{lost.reason}; it is not run again, as it is cancelled")
    try:
        version = await _same_version(app, record)
        claimed = await _claimed(app, stored, lost.reason)
        await _submit_next(app, version, claimed, DetectedBy.OUTPUT_LOST)
    except (BlobNotFound, NotAFile, TooManyAttempts, VersionChanged) as exc:
        if record.retried_as is None or not await _exists(app, record.retried_as):
            return replace(lost, reason=f"{lost.reason}; it is not run again: {exc}")
        claimed = record
    return replace(lost, reason=f"{lost.reason}; it runs again as {claimed.retried_as}")


def _is_wanted_again(record: TaskRecord) -> bool:
    return record.lost_before < record.lost_output_retries and record.cancel_requested_at is None


async def _same_version(app: App, record: TaskRecord) -> BlobVersion:
    version = await app.inputs.version_of(record.blob)
    if version.etag != record.blob_etag:
        raise VersionChanged(f"blob {version.name!r} has changed since: its new version has a task of its own")
    return version


async def _claimed(app: App, stored: Stored, reason: str | None) -> TaskRecord:
    """Return the record with the name of the attempt that follows written into it, and the reason."""
    for _ in range(_TRIES):
        record = stored.record
        if record.retried_as is not None:
            return record
        attempt = await next_attempt(app, record.version)
        claimed = replace(record, retried_as=task_id(record.version, attempt), reason=reason)
        (changed,) = await app.table.update([Change(stored, claimed)])
        if changed is not None:
            return claimed
        stored = await app.table.get(record.task_id)
    raise NotNow(f"task {stored.record.task_id} was modified concurrently: try again")


async def _submit_next(
    app: App, version: BlobVersion, claimed: TaskRecord, detected_by: DetectedBy, asked_by: str | None = None
) -> Submission:
    """Make the attempt that a record names."""
    attempt = attempt_of(claimed.retried_as or "")
    submission = await submit_attempt(
        app, version, attempt, detected_by=detected_by, retry_of=claimed, asked_by=asked_by
    )
    if submission.record.retry_of is None:
        # A forced submission of the file made this very attempt concurrently.
        stored = await app.table.get(submission.record.task_id)
        await app.table.update([Change(stored, replace(stored.record, retry_of=claimed.task_id))])
    return submission


async def _exists(app: App, task: str) -> bool:
    try:
        await app.table.get(task)
    except RecordNotFound:
        return False
    return True
