"""Schedules of timers: NCRONTAB as NCrontab reads it, the library of the real Functions host.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions, and NCrontab's
`CrontabSchedule.cs`, `CrontabFieldImpl.cs` and `CrontabField.cs` (https://github.com/atifaziz/NCrontab): fields are
parted by spaces, numbers are decimal, Sunday is 0 and never 7, and there is no `?`, `L`, `W`, `#`, `R` or `@daily`.
What NCrontab reads in a way of its own is refused: a range that runs backwards, which it turns round where every other
cron wraps; a name cut to any beginning (`J` is January); a step of 0, which it takes for 1.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

from batch_core.redaction import shown

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_ITEM: Final = re.compile(r"(?:\*|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]{1,4}))?")
_LONGEST_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS_WITHOUT_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class _Kind:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def value(self, text: str) -> int:
        number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else self._named(text.lower())
        if number is None or not self.low <= number <= self.high:
            raise ValueError(f"{shown(text)} is no {self.name} ({self._range()})")
        return number

    def _named(self, text: str) -> int | None:
        found = [place for place, name in enumerate(self.names, self.low) if text in {name, name[:3]}]
        return found[0] if found else None

    def _range(self) -> str:
        return f"{self.low} to {self.high}" + (f", or {self.names[0][:3].upper()} and so on" if self.names else "")


_KINDS: Final = (
    _Kind(name="second", low=0, high=59),
    _Kind(name="minute", low=0, high=59),
    _Kind(name="hour", low=0, high=23),
    _Kind(name="day of the month", low=1, high=31),
    _Kind(name="month", low=1, high=12, names=_MONTHS),
    _Kind(name="day of the week", low=0, high=6, names=_DAYS),
)


@dataclass(frozen=True, kw_only=True)
class CronSchedule:
    """The values at which a timer runs, of seconds, minutes, hours, days, months and days of the week; all must fit."""

    fields: tuple[frozenset[int], ...]

    @classmethod
    def parse(cls, text: str) -> "CronSchedule":
        """Read an expression of six fields, or five without seconds; raise ValueError that says what is wrong.

        A schedule that never comes, such as 30 February, is refused, too.
        """
        if odd := re.search(r"[^\x20-\x7e]", text):
            raise ValueError(f"it holds {odd.group()!r}: fields are parted by spaces, nothing else")
        words = text.split()
        if len(words) == _FIELDS_WITHOUT_SECONDS:
            words = ["0", *words]
        if len(words) != len(_KINDS):
            raise ValueError(_number_of_fields(words))
        schedule = cls(fields=tuple(map(_field, _KINDS, words)))
        schedule._require_a_day()
        return schedule

    def _require_a_day(self) -> None:
        *_, days, months, _ = self.fields
        if not any(min(days) <= _LONGEST_MONTH[month - 1] for month in months):
            raise ValueError("none of its months has such a day: it would never run")

    @property
    def longest_pause(self) -> timedelta | None:
        """How long it may be between two runs, to the minute; None of one that does not run every day."""
        _, minutes, hours, *days = self.fields
        if any(_listed(kind, values) != "*" for kind, values in zip(_KINDS[3:], days, strict=True)):
            return None
        runs = sorted(60 * hour + minute for hour in hours for minute in minutes)
        gaps = [later - earlier for earlier, later in pairwise([*runs, runs[0] + 24 * 60])]
        return timedelta(minutes=max(gaps))

    def as_numbers(self) -> str:
        """Return the same schedule as lists of numbers, which every cron reads alike."""
        return " ".join(map(_listed, _KINDS, self.fields))


def _number_of_fields(words: list[str]) -> str:
    if len(words) == 1 and re.fullmatch(r"[0-9.]*[0-9]:[0-9:.]+", words[0]):
        # "A TimeSpan can be used only for a function app that runs on an App Service Plan", says the page above.
        return "a time span works on the App Service plan alone: write every 30 seconds as */30 * * * * *"
    return f"it has {len(words)} fields and must have six: second minute hour day month day-of-week"


def _field(kind: _Kind, text: str) -> frozenset[int]:
    return frozenset().union(*(_item(kind, item) for item in text.split(",")))


def _item(kind: _Kind, text: str) -> range:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no {kind.name}: Azure knows numbers, names, *, lists, ranges and steps")
    first, last, every = match.groups()
    step = 1 if every is None else int(every)
    if step == 0:
        raise ValueError(f"{shown(text)} has a step of 0")
    if first is None:
        return range(kind.low, kind.high + 1, step)
    low = kind.value(first)
    high = kind.value(last) if last else (low if every is None else kind.high)
    if high < low:
        raise ValueError(f"{shown(text)} runs backwards: Azure would turn it round; name both parts, as in FRI-SAT,SUN")
    return range(low, high + 1, step)


def _listed(kind: _Kind, values: frozenset[int]) -> str:
    is_all = len(values) == kind.high - kind.low + 1
    return "*" if is_all else ",".join(map(str, sorted(values)))
