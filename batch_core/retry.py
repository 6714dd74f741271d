"""The operator makes another attempt at a task that ended.

The old record names its successor before that is made, by a change on its ETag (optimistic concurrency): so two
requests at the same time make one new attempt, and an interrupted one is finished by the next.
"""

from dataclasses import replace
from typing import Final

from batch_core.app import App
from batch_core.errors import NotNow
from batch_core.naming import task_id
from batch_core.state.changes import Change, Stored
from batch_core.state.record import DetectedBy
from batch_core.submission import Submission
from batch_core.submit import next_attempt, submit_attempt

_TRIES: Final = 5


async def retry(app: App, old_task_id: str) -> Submission:
    """Make a new attempt at the same file; idempotent: the same request again returns the same attempt.

    Raises `RecordNotFound`, `BlobNotFound`, `NotNow` if the task has not ended or its file has changed since, and the
    `ServiceError` that fits.
    """
    stored = await app.table.get(old_task_id)
    if not stored.record.state.is_final:
        raise NotNow(f"task {old_task_id} is {stored.record.state}: it can be retried when it has ended")
    version = await app.inputs.version_of(stored.record.blob)
    if version.etag != stored.record.blob_etag:
        raise NotNow(f"blob {version.name!r} has changed since: its new version has a task of its own")
    attempt = await _claim(app, stored)
    submission = await submit_attempt(app, version, attempt, detected_by=DetectedBy.HTTP, retry_of=stored.record)
    if submission.record.retry_of is None:
        # A forced submission of the file made this very attempt concurrently.
        stored = await app.table.get(submission.record.task_id)
        await app.table.update([Change(stored, replace(stored.record, retry_of=old_task_id))])
    return submission


async def _claim(app: App, stored: Stored) -> int:
    """Return the number of the attempt that follows, written into the old record."""
    for _ in range(_TRIES):
        record = stored.record
        if record.retried_as is not None:
            return _attempt_of(record.retried_as)
        attempt = await next_attempt(app, record.version)
        claimed = replace(record, retried_as=task_id(record.version, attempt))
        (changed,) = await app.table.update([Change(stored, claimed)])
        if changed is not None:
            return attempt
        stored = await app.table.get(record.task_id)
    raise NotNow(f"task {stored.record.task_id} was modified concurrently: try again")


def _attempt_of(task: str) -> int:
    return int(task.rpartition("-r")[2])
