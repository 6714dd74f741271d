"""Changes of records that the table is to make, checked before they are sent."""

import time
from dataclasses import dataclass, field
from datetime import datetime

from batch_core.state.index import NO_MARKS, Marks, OpenTask, open_task
from batch_core.state.record import TRANSITIONS, Outcome, TaskRecord, TaskState


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A record as it was read: a change is accepted only while `etag` is still the ETag of its entity."""

    record: TaskRecord
    etag: str
    #: When that was, in seconds of `time.monotonic`.
    read_at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True)
class Change:
    """What a stored record is to become, and what is to be marked in the index with it.

    Raises `ValueError` if the record is another task's, or its state may not follow the stored one.
    """

    stored: Stored
    record: TaskRecord
    marks: Marks = NO_MARKS

    def __post_init__(self) -> None:
        if self.record.task_id != self.stored.record.task_id:
            raise ValueError(f"{self.record.task_id} cannot take the place of {self.stored.record.task_id}")
        if self.record.state is not self.stored.record.state:
            _check_transition(self.stored.record, self.record.state)
            if self.record.state.is_final:
                raise ValueError(f"{self.record.task_id} gets its final state by closing")


@dataclass(frozen=True, kw_only=True)
class Closing:
    """The final state that a task is to get, and what is counted and announced with it.

    Raises `ValueError` if it is not final.
    """

    task_id: str
    outcome: Outcome
    route: str | None = None
    recorded_at: datetime | None = None
    #: None where only the record says it.
    container: str | None = None
    blob: str | None = None
    #: Its node uploads files of its route's patterns.
    has_files: bool = False
    #: The version of its file that is to be deleted when it has succeeded; None: it is kept.
    etag_to_delete: str | None = None

    def __post_init__(self) -> None:
        if not self.outcome.state.is_final:
            raise ValueError(f"{self.outcome.state} is not a final state")

    @classmethod
    def of(cls, stored: Stored, outcome: Outcome) -> "Closing":
        """Close a record that was read; raises `ValueError` if the state may not follow its present one."""
        record = stored.record
        _check_transition(record, outcome.state)
        return cls.of_open(open_task(record), outcome)

    @classmethod
    def of_open(cls, task: OpenTask, outcome: Outcome) -> "Closing":
        """Close a task of which the index alone was read: it may have its final state already."""
        return cls(
            task_id=task.task_id,
            outcome=outcome,
            route=task.route,
            recorded_at=task.since,
            container=task.container,
            blob=task.blob,
            has_files=task.has_files,
            etag_to_delete=task.etag_to_delete,
        )


def _check_transition(record: TaskRecord, state: TaskState) -> None:
    if state not in TRANSITIONS[record.state]:
        raise ValueError(f"task {record.task_id} is {record.state}: it cannot become {state}")
