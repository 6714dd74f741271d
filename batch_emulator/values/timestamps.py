"""Times as the service writes them: ISO 8601 in UTC with microseconds, and what follows from them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final

_FIRST_DAY: Final = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock:
    """Gives the time in UTC, and never the same time twice.

    ETags are made from times, so two changes of one resource must not share one.
    """

    def __init__(self) -> None:
        self._last = _FIRST_DAY

    def now(self) -> datetime:
        self._last = max(datetime.now(UTC), self._last + _MICROSECOND)
        return self._last

    def stamp(self) -> str:
        """Return the time as text for the wire and the store."""
        return to_wire(self.now())


def to_wire(moment: datetime) -> str:
    """Return `2026-11-23T08:07:10.123456Z`: fixed width, so that texts sort as times do."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def from_wire(text: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def from_http_date(text: str) -> datetime:
    """Read a time in the format of RFC 1123; one without a zone is UTC. Raises ValueError, whatever the text is."""
    try:
        moment = parsedate_to_datetime(text)
    except (IndexError, OverflowError) as exc:
        raise ValueError(f"{text[:64]!r} is not in the format of RFC 1123") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def later(stamp: str, seconds: float | None) -> str | None:
    """Return the wire time that many seconds after another; None for no limit, and for one beyond the calendar."""
    try:
        return None if seconds is None else to_wire(from_wire(stamp) + timedelta(seconds=seconds))
    except OverflowError:
        return None


@lru_cache(maxsize=1024)
def etag_of(modified: str) -> str:
    """Return the ETag of a resource last modified then.

    Recordings of the real service show `0x8DE...`: the time in .NET ticks (100 ns since year 1).
    """
    return f"0x{_ticks(modified[:19]) + int(modified[20:26]) * 10:X}"


@lru_cache(maxsize=256)
def _ticks(second: str) -> int:
    """Return the ticks at a whole second: many tasks are made in one."""
    age = from_wire(second) - _FIRST_DAY
    return (age.days * 86_400 + age.seconds) * 10_000_000


def http_date(stamp: str) -> str:
    """Return a wire time as an HTTP date (RFC 1123, whole seconds)."""
    return _http_date(stamp[:19])


@lru_cache(maxsize=256)
def _http_date(second: str) -> str:
    return format_datetime(from_wire(second), usegmt=True)
