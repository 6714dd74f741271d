"""The history of a metric: what a formula can ask of it.

Source: documentation: batch-automatic-scaling, "Obtain sample data".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


class Sample(NamedTuple):
    """What a metric was at a time."""

    time: datetime
    value: float


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A read-only service-defined variable as a formula sees it at one moment.

    `samples` are in order of time, taken every `period`.
    """

    name: str
    samples: Sequence[Sample]
    now: datetime
    period: timedelta

    @property
    def last(self) -> float:
        """The last sample, 0 where there is none."""
        return self.samples[-1].value if self.samples else 0.0

    @property
    def begin(self) -> datetime:
        """The time of the oldest sample; now where there is none."""
        return self.samples[0].time if self.samples else self.now

    def newest(self, count: int) -> tuple[float, ...]:
        """Return the last samples, at most so many, the newest at the end."""
        return tuple(sample.value for sample in self.samples[-count:]) if count > 0 else ()

    def between(self, one: datetime, other: datetime) -> tuple[float, ...]:
        """Return the samples of a stretch of time, whose ends may come in either order."""
        first, last = min(one, other), max(one, other)
        return tuple(sample.value for sample in self.samples if first <= sample.time <= last)

    def percent(self, one: datetime, other: datetime) -> float:
        """Return what percentage of the possible samples of a stretch of time exists, 0 to 100."""
        possible = max(abs(other - one) // self.period, 1)
        return min(100.0 * len(self.between(one, other)) / possible, 100.0)
