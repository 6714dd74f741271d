"""When a timer runs: NCRONTAB expressions with seconds first, or a fixed period `hh:mm:ss`.

Expressions are read by the app's own reader, which reads what the real host's library reads, and handed to croniter as
plain numbers: it has more words than that library, and counts Sunday twice.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from croniter import croniter

from batch_core.config.schedule import CronSchedule
from local.host.errors import BindingError

_PERIOD: Final = re.compile(r"(?:([0-9]{1,5})\.)?([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")
_HOURS_OF_A_DAY: Final = 24


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Either a cron `expression` or a `period`."""

    expression: str = ""
    period: timedelta = timedelta()

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read a schedule as a binding has it; raise BindingError."""
        if match := _PERIOD.fullmatch(text.strip()):
            days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
            period = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            if not period or hours >= _HOURS_OF_A_DAY:
                raise _refusal(text, "a period must be longer than nothing, and .NET reads 24:00:00 as 24 days")
            return cls(period=period)
        try:
            return cls(expression=CronSchedule.parse(text).as_numbers())
        except ValueError as exc:
            raise _refusal(text, str(exc)) from exc

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time of the schedule after an aware moment, in local time."""
        if self.period:
            return moment + self.period
        # Counted in local wall-clock time, as the real host does; the offset of the result is the
        # one in force then, so a daily timer stays at its hour over a change to summer time.
        local = moment.astimezone().replace(tzinfo=None)
        cron = croniter(self.expression, local, second_at_beginning=True, day_or=False)
        following: datetime = cron.get_next(datetime)
        return following.astimezone()

    def is_below_one_minute(self, moment: datetime) -> bool:
        """Return whether the next two runs are less than a minute apart."""
        first = self.next_after(moment)
        return self.next_after(first) - first < timedelta(minutes=1)


def _refusal(text: str, reason: str) -> BindingError:
    fields = "{second} {minute} {hour} {day} {month} {day of week}"
    return BindingError(f"{text!r} is no timer schedule: {reason} (six fields {fields}, or hh:mm:ss)")
