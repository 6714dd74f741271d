"""What this process has brought to an end and has not written down yet: counted for people, and decided by nobody.

Counts are kept out of the transactions that close records. A process that ends before it has written them has lost
some; when all work of a day has ended, its records are counted.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batch_core import metrics
from batch_core.naming import table_keys
from batch_core.state.changes import Closing

#: A day of records, a route, which may be unknown (""), and a final state.
type CountKey = tuple[str, str, str]
#: A task, and the id of one closing of it.
type ClosingKey = tuple[str, str]

#: How long a request whose reply was lost may take to have its effect: the table itself gives up after 30 seconds
#: (https://learn.microsoft.com/rest/api/storageservices/setting-timeouts-for-table-service-operations).
_LATE_SECONDS: Final = 60.0


@dataclass(kw_only=True)
class Minute:
    """What ended within a minute, and how long it had waited: the sum and the longest, in seconds."""

    states: Counter[str] = field(default_factory=Counter)
    waited: int = 0
    waited_seconds: float = 0.0
    longest_wait: float = 0.0

    def add(self, other: "Minute") -> None:
        self.states += other.states
        self.waited += other.waited
        self.waited_seconds += other.waited_seconds
        self.longest_wait = max(self.longest_wait, other.longest_wait)


@dataclass(kw_only=True)
class Counts:
    """Final states by day and route, and by the minute in which they were reached (`202611301712`, UTC)."""

    days: Counter[CountKey] = field(default_factory=Counter)
    minutes: dict[str, Minute] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.days)

    def add(self, other: "Counts") -> None:
        self.days += other.days
        for name, minute in other.minutes.items():
            self.minutes.setdefault(name, Minute()).add(minute)


class Tally:
    """Counts of this process that wait to be written."""

    def __init__(self) -> None:
        self._waiting = Counts()

    def note(self, closings: Iterable[Closing], now: datetime) -> None:
        """Count what has just been closed."""
        minute = self._waiting.minutes.setdefault(f"{now:%Y%m%d%H%M}", Minute())
        for closing in closings:
            day = table_keys(closing.task_id).partition
            self._waiting.days[day, closing.route or "", closing.outcome.state] += 1
            metrics.count("tasks.ended", 1, "{task}", state=closing.outcome.state, route=closing.route or "")
            minute.states[closing.outcome.state] += 1
            if closing.outcome.started_at and closing.recorded_at:
                waited = max((closing.outcome.started_at - closing.recorded_at).total_seconds(), 0.0)
                minute.waited += 1
                minute.waited_seconds += waited
                minute.longest_wait = max(minute.longest_wait, waited)

    def take(self) -> Counts:
        """Return what waits to be written; from now on nothing does."""
        taken, self._waiting = self._waiting, Counts()
        return taken

    def put_back(self, counts: Counts) -> None:
        """Let counts wait that could not be written."""
        self._waiting.add(counts)


class InDoubt:
    """Closings of this process whose reply it has not seen: they may be written, and then count as any other."""

    def __init__(self) -> None:
        #: Each with its moment, and since when it is in doubt, in seconds of `time.monotonic`.
        self._closings: dict[ClosingKey, tuple[Closing, datetime, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._closings)

    def add(self, closings: Iterable[Closing], closing_id: str, now: datetime) -> None:
        """Let closings of one call wait until the table says what became of them."""
        since = time.monotonic()
        self._closings |= {(closing.task_id, closing_id): (closing, now, since) for closing in closings}

    def keys(self) -> list[ClosingKey]:
        """Return what is in doubt now, the oldest first."""
        return list(self._closings)

    def decide(self, asked: Iterable[ClosingKey], ended: Mapping[str, str]) -> list[tuple[Closing, datetime]]:
        """Return which of those that were asked about are written, each with its moment, and once.

        `ended` are the ids of the closings that have ended tasks. One whose task is open stays in doubt for a minute:
        the table may be at it still.
        """
        written: list[tuple[Closing, datetime]] = []
        for key in asked:
            if (found := self._closings.get(key)) is None:
                continue
            closing, moment, since = found
            if key[0] in ended or time.monotonic() - since > _LATE_SECONDS:
                del self._closings[key]
            if ended.get(key[0]) == key[1]:
                written.append((closing, moment))
        return written
