"""When to ask again a service that was not available."""

from datetime import timedelta
from typing import Final

#: After the first failure, and the longest ever.
FIRST: Final = timedelta(seconds=15)
LONGEST: Final = timedelta(minutes=15)
#: The longest that a service is obeyed: a proxy in its place may ask for years.
LONGEST_ASKED: Final = timedelta(days=1)


def backoff(tries: int, retry_after: float | None = None) -> timedelta:
    """Return how long to wait after this many failures: twice as long each time.

    Never less than the service asked, up to a day.
    """
    asked = timedelta(seconds=min(retry_after or 0, LONGEST_ASKED.total_seconds()))
    doubled: timedelta = FIRST * 2 ** min(tries - 1, 16)
    return max(asked, min(doubled, LONGEST))
