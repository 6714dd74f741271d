"""What a submission answers."""

from dataclasses import dataclass

from batch_core.state.record import TaskRecord


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of one blob version; `is_new` if this very call recorded it."""

    record: TaskRecord
    is_new: bool
