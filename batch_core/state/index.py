"""The index of open work: what is kept beside a record while its task is not final.

It mirrors a few fields of the record, so that ticks find open work, and decide most of it, without reading records.
What a change of a record means for the index is derived here and nowhere else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batch_core.state.record import TaskRecord, TaskState


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """What the index says of a task that is not final yet. Times are aware and UTC."""

    task_id: str
    blob: str
    #: None in entities of earlier releases.
    container: str | None = None
    #: Empty only while it was never handed to Batch.
    job_id: str = ""
    #: When its record was written.
    since: datetime
    route: str | None = None
    #: It waits to be handed to Batch, and its record says why.
    is_queued: bool = False
    #: While it is queued: when to hand it to Batch again.
    next_attempt_at: datetime | None = None
    #: The operator asked to stop it.
    cancel_requested: bool = False
    #: When; None where an older version of the app wrote it.
    cancel_requested_at: datetime | None = None
    #: Its record is known to say that Batch has it.
    is_verified: bool = False
    #: Its file cannot be read: it was never handed to Batch, and is in no job yet.
    is_obstructed: bool = False
    #: Its node uploads what it prints, and files of its own beside that.
    is_uploaded: bool = False
    has_files: bool = False
    #: The version of the blob that is to be deleted when the task has succeeded; None: it is kept.
    etag_to_delete: str | None = None
    #: Its output is lost and its next attempt is named: what is left is to close it.
    is_lost: bool = False
    #: How often Batch put it back into its queue, as far as its record says.
    requeues: int = 0
    #: The reason for its waiting that was last written to its record.
    explained: str | None = None
    #: When copying its output failed for the first time.
    failing_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What only the index knows of a task; None leaves what it says."""

    is_verified: bool | None = None
    explained: str | None = None
    failing_since: datetime | None = None


NO_MARKS: Final = Marks()


def open_task(record: TaskRecord) -> OpenTask:
    """Return what the index says of a record that nothing has been marked on."""
    return OpenTask(
        task_id=record.task_id,
        blob=record.blob,
        container=record.container,
        job_id=record.job_id,
        since=record.recorded_at,
        route=record.route,
        is_queued=record.state is TaskState.QUEUED
        and (record.next_attempt_at is not None or record.obstacle is not None),
        next_attempt_at=record.next_attempt_at,
        cancel_requested=record.cancel_requested_at is not None,
        cancel_requested_at=record.cancel_requested_at,
        is_obstructed=record.obstacle is not None,
        is_uploaded=record.is_uploaded,
        has_files=record.files is not None,
        requeues=record.requeues,
        is_lost=record.retried_as is not None and not record.state.is_final,
        etag_to_delete=record.blob_etag if record.deletes_input else None,
    )


def index_changes(before: TaskRecord, after: TaskRecord, marks: Marks = NO_MARKS) -> dict[str, object]:
    """Return the fields of `OpenTask` that a change of the record changes, with their new values.

    A task that goes back to its queue has left the Batch task behind that was verified and explained.
    """
    old, new = vars(open_task(before)), vars(open_task(after))
    changes = {name: value for name, value in new.items() if value != old[name]}
    if before.state is TaskState.SUBMITTED and after.state is TaskState.QUEUED:
        changes |= {"is_verified": False, "explained": None}
    return changes | marked(marks)


def marked(marks: Marks) -> dict[str, object]:
    """Return the fields of `OpenTask` that are marked, with their values."""
    return {name: value for name, value in vars(marks).items() if value is not None}
