"""When to ask again a service that was not available."""

from datetime import timedelta

#: After the first failure, and the longest ever.
FIRST = timedelta(seconds=15)
LONGEST = timedelta(minutes=15)


def backoff(tries: int, retry_after: float | None = None) -> timedelta:
    """Return how long to wait after this many failures: twice as long each time, never less than the service asked."""
    asked = timedelta(seconds=retry_after or 0)
    doubled: timedelta = FIRST * 2 ** min(tries - 1, 16)
    return max(asked, min(doubled, LONGEST))
