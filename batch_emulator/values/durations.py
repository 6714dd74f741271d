"""Durations in ISO 8601, normalised as the service does: `PT01H00M00S` becomes `PT1H`."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

#: A tick is 100 ns, the resolution of the service's time spans.
TICKS_PER_SECOND: Final = 10_000_000

#: "No limit" on the wire: the largest time span of .NET.
UNLIMITED: Final = "P10675199DT2H48M5.4775807S"

_MAX_TICKS: Final = 2**63 - 1
_DURATION: Final = re.compile(
    r"P(?:(?P<w>\d{1,9})W)?(?:(?P<d>\d{1,9})D)?"
    r"(?:T(?:(?P<h>\d{1,12})H)?(?:(?P<m>\d{1,12})M)?(?:(?P<s>\d{1,15}(?:\.\d{1,12})?)S)?)?"
)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def parse_duration(text: str) -> int:
    """Return the ticks of an ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Raises ValueError. Years and months have no fixed length and are refused.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError(f"{text!r} is not an ISO 8601 duration such as PT1H or P7D")
    parts = {unit: value for unit, value in match.groupdict().items() if value}
    seconds = sum(Decimal(value) * _SECONDS[unit] for unit, value in parts.items())
    return min(int(seconds * TICKS_PER_SECOND), _MAX_TICKS)


def format_duration(ticks: int) -> str:
    """Return the shortest form: no zero parts, no leading zeros; zero is `PT0S`."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    if seconds or fraction:
        clock += f"{seconds}.{fraction:07}".rstrip("0").rstrip(".") + "S"
    date = f"{days}D" * bool(days)
    return f"P{date}T{clock}" if clock else f"P{date}" if date else "PT0S"


@lru_cache(maxsize=256)
def normalised(text: str) -> str:
    """Return a duration in its shortest form. Raises ValueError.

    The tasks of a job mostly share one, hence the cache.
    """
    return format_duration(parse_duration(text))


def seconds_of(text: str) -> float | None:
    """Return a stored duration in seconds, None where it means "no limit"."""
    ticks = parse_duration(text)
    return None if ticks >= _MAX_TICKS else ticks / TICKS_PER_SECOND
