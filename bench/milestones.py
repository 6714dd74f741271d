"""When files came how far: from the drop of each to its record, its task, its start, its end and its output."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from batch_core.state.record import TaskRecord

STAGES: Final = ("recorded", "submitted", "started", "ended", "output")

#: For each stage, the seconds since the drop of each file.
type Milestones = Mapping[str, Sequence[float]]


def milestones(records: Iterable[TaskRecord], dropped: Mapping[str, datetime]) -> Milestones:
    """Return how long each file took to each stage; its output has arrived at the latest when its record is closed."""
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for record in records:
        moments = (record.recorded_at, record.submitted_at, record.started_at, record.ended_at, record.closed_at)
        for stage, moment in zip(STAGES, moments, strict=True):
            if moment is None:
                raise RuntimeError(f"the record of {record.blob} does not say when it was {stage}")
            found[stage].append((moment - dropped[record.blob]).total_seconds())
    return found


def together(several: Sequence[Milestones]) -> Milestones:
    """Return the files of several runs as if they were of one."""
    return {stage: [seconds for of_run in several for seconds in of_run[stage]] for stage in STAGES}


def typical(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def slowest(seconds: Sequence[float]) -> float:
    """Return the least of the slowest hundredth."""
    return sorted(seconds)[-max(1, len(seconds) // 100)]


def print_milestones(found: Milestones) -> None:
    print(f"{'seconds since its drop':<24}" + "".join(f"{stage:>11}" for stage in STAGES))
    for name, of in (("median", typical), ("slowest 1 %", slowest)):
        print(f"{name:<24}" + "".join(f"{of(found[stage]):>11.2f}" for stage in STAGES))
