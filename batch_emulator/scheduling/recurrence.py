"""When the jobs of a schedule are due: arithmetic on times, without state.

The rules are those of the SDK's documentation of `BatchJobScheduleConfiguration`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a schedule has to do, seen from one moment.

    `due` is the recurrence whose job may be created now, `next` the first one to come; `is_over`
    says that no job can be created any more, and `wake` when time alone will change any of this.
    """

    due: datetime | None
    next: datetime | None
    is_over: bool
    wake: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrence:
    """The recurrences of a schedule: one at `anchor`, and one after each `interval` (None: no other).

    A job is created within `window` after its recurrence (None: until the next one is due), and
    none after `end`.
    """

    anchor: datetime
    interval: timedelta | None = None
    window: timedelta | None = None
    end: datetime | None = None

    def look(self, now: datetime, last_run: datetime | None) -> Outlook:
        """Return the outlook; `last_run` is the recurrence for which the newest job was made."""
        if self.end is not None and now > self.end:
            return Outlook(due=None, next=None, is_over=True, wake=None)
        current, following = self._around(now)
        closes = self._closes(current)
        is_open = current is not None and (last_run is None or current > last_run)
        due = current if is_open and (closes is None or now <= closes) else None
        times = [following, self.end, closes if due else None]
        return Outlook(
            due=due,
            next=following if following and (self.end is None or following <= self.end) else None,
            is_over=due is None and following is None,
            wake=min((time for time in times if time is not None), default=None),
        )

    def _around(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the newest recurrence up to now and the first one after it, None for none."""
        if now < self.anchor:
            return None, self.anchor
        if self.interval is None:
            return self.anchor, None
        current = self.anchor + (now - self.anchor) // self.interval * self.interval
        return current, _later(current, self.interval)

    def _closes(self, current: datetime | None) -> datetime | None:
        if current is None or self.window is None:
            return None
        return _later(current, self.window)


def _later(time: datetime, span: timedelta) -> datetime | None:
    """Add up; None where that is beyond the calendar, which is never."""
    try:
        return time + span
    except OverflowError:
        return None
