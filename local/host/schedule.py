"""When a timer runs: NCRONTAB expressions with seconds first, or a fixed period `hh:mm:ss`.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter
from croniter.croniter import CroniterError

from local.host.errors import BindingError

_PERIOD = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")
_FIELDS_WITHOUT_SECONDS = 5


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
            return cls._checked(cls(period=period), text)
        fields = text.split()
        if len(fields) == _FIELDS_WITHOUT_SECONDS:
            fields = ["0", *fields]
        return cls._checked(cls(expression=" ".join(fields)), text)

    @classmethod
    def _checked(cls, schedule: "Schedule", text: str) -> "Schedule":
        try:
            if schedule.period or croniter.is_valid(schedule.expression, second_at_beginning=True):
                schedule.next_after(datetime.now().astimezone())
                return schedule
        except CroniterError:
            pass
        raise BindingError(
            f"{text!r} is no timer schedule: six fields"
            " {second} {minute} {hour} {day} {month} {day of week}, or hh:mm:ss"
        )

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
        """Tell whether the next two runs are less than a minute apart."""
        first = self.next_after(moment)
        return self.next_after(first) - first < timedelta(minutes=1)
