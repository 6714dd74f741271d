"""What the app knows about one task, and the states it passes through.

queued ◀─▶ submitted ──▶ succeeded
  │            ├───────▶ failed
  │            ├───────▶ output_lost
  ├────────────┴───────▶ cancelled
  └──▶ rejected
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from batch_core.naming import BlobVersion
from batch_core.obstacle import Obstacle


class TaskState(StrEnum):
    #: Recorded; Batch has not accepted it yet. `reason` says why.
    QUEUED = "queued"
    #: Batch has the task; it waits for a node or runs.
    SUBMITTED = "submitted"
    #: The command ended with exit code 0 and its output is in the output container.
    SUCCEEDED = "succeeded"
    #: The command ended with another exit code, was stopped, or could not be started. What it printed is kept.
    FAILED = "failed"
    #: It ran, but its output could not be fetched any more. `reason` says why.
    OUTPUT_LOST = "output_lost"
    #: A person stopped it.
    CANCELLED = "cancelled"
    #: It can never be submitted. `reason` says why.
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return not TRANSITIONS[self]


TRANSITIONS: Final[dict[TaskState, frozenset[TaskState]]] = {
    # A queued task can be final at once: the app may have stopped between Batch's reply and the table.
    TaskState.QUEUED: frozenset(TaskState) - {TaskState.QUEUED},
    # Back to the queue: its job was ended before it could run.
    TaskState.SUBMITTED: frozenset(TaskState) - {TaskState.SUBMITTED, TaskState.REJECTED},
    TaskState.SUCCEEDED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.OUTPUT_LOST: frozenset(),
    TaskState.CANCELLED: frozenset(),
    TaskState.REJECTED: frozenset(),
}

#: Work that has not ended.
OPEN_STATES: Final = frozenset(state for state in TaskState if not state.is_final)


class DetectedBy(StrEnum):
    #: The blob trigger.
    TRIGGER = "trigger"
    #: A person or a program, through `POST /api/tasks`.
    HTTP = "http"
    #: The sweep: its event never came.
    SWEEP = "sweep"
    #: The app itself: the output of the attempt before was lost, and its route says that it is run again.
    OUTPUT_LOST = "output_lost"


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One attempt at one blob version. Times are aware and UTC; what has not happened yet is None."""

    task_id: str
    #: Empty only while it was never handed to Batch.
    job_id: str = ""
    #: The route that took it, and the digest of what that said: as Batch has, or would have got, its task.
    route: str | None = None
    route_digest: str | None = None
    #: A person named the route; it need not match the blob's name.
    is_route_chosen: bool = False
    #: What took it before, or its earlier attempt: the name and the digest of a route.
    route_before: str | None = None
    #: When it was found that its route says something else now: nothing hands it over before it has today's.
    rerouted_at: datetime | None = None
    container: str
    blob: str
    blob_etag: str
    blob_last_modified: datetime
    blob_size: int
    #: A JSON object of names and values; None: it has none.
    blob_metadata: str | None = None
    #: The folder whose files are the input, of which `blob` is the marker; None: `blob` is the input.
    folder: str | None = None
    attempt: int
    detected_by: DetectedBy
    state: TaskState
    recorded_at: datetime
    #: Why it waits, was rejected, or lost its output: a sentence.
    reason: str | None = None
    #: Why its file could not be read when that was last looked at; it is not handed to Batch before it can be read.
    obstacle: Obstacle | None = None
    #: How often Batch was asked to take it (or, with an obstacle, was not), and when it will be asked again.
    submit_tries: int = 0
    next_attempt_at: datetime | None = None
    #: How often its output could not be copied.
    output_tries: int = 0
    submitted_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    #: Who asked for it by hand, and who asked to stop it, as far as the host says.
    asked_by: str | None = None
    cancel_asked_by: str | None = None
    #: By which a submission knows the records that it made itself.
    submission: str | None = None
    #: Task ids of the attempt before and, once it was requested, the one after.
    retry_of: str | None = None
    retried_as: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node_id: str | None = None
    exit_code: int | None = None
    failure_category: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    #: Names in the output container, and sizes in bytes where they cost no call. A standard error that is empty is no
    #: blob where the app copies.
    stdout: str | None = None
    stdout_size: int | None = None
    stderr: str | None = None
    stderr_size: int | None = None
    #: How often its file is run again by itself if its output is lost, and how many attempts before it were lost so.
    lost_output_retries: int = 0
    lost_before: int = 0
    #: How often Batch put it back into its queue, as far as that was seen: its node was preempted, removed or lost.
    requeues: int = 0
    #: Its file is to be deleted when it has succeeded.
    deletes_input: bool = False
    #: Its node uploads what it prints; the app copies only what that does not bring.
    is_uploaded: bool = False
    #: Where in the output container the files of the route's patterns are, if any matched.
    files: str | None = None
    #: Of a failed one: what it wrote to standard error last, at most 2,000 characters.
    stderr_end: str | None = None
    #: When the record reached its final state.
    closed_at: datetime | None = None

    @property
    def version(self) -> BlobVersion:
        return BlobVersion(
            container=self.container,
            name=self.blob,
            etag=self.blob_etag,
            last_modified=self.blob_last_modified,
            size=self.blob_size,
            obstacle=self.obstacle,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a task ended: what the final state adds to a record."""

    state: TaskState
    reason: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node_id: str | None = None
    exit_code: int | None = None
    failure_category: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    #: None adds nothing to what the record says.
    requeues: int | None = None
    stdout: str | None = None
    stdout_size: int | None = None
    stderr: str | None = None
    stderr_size: int | None = None
    stderr_end: str | None = None
