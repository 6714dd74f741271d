"""The clocks of this machine and of the services.

The services' clocks are kept in step; this machine's may be wrong without anybody noticing, until SharedKey is refused:

- https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key (no request is older than 15 minutes)
- https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service (the same of Batch)

An identity's tokens are not refused even then. So every moment of this machine that is compared with one of a service
is kept apart by `CLOCK_MARGIN` where a wrong clock would lose something, and health reports the difference.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

#: How old a request may be that a key has signed, in minutes.
SHARED_KEY_LIMIT: Final = 15
#: Wider than that: a clock that is further off can sign nothing, and so lose nothing by a comparison.
CLOCK_MARGIN: Final = timedelta(minutes=20)
#: A difference that is worth a word, well before it does harm.
CLOCK_TOLERANCE: Final = timedelta(minutes=3)


class ServiceClock:
    """What time it is by the `Date` header of a service's latest reply, in whole seconds."""

    def __init__(self, *, service: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._monotonic = monotonic
        self._read: tuple[datetime, float] | None = None

    def read(self, header: str | None) -> None:
        """Note the header of a reply that has just come; what is not a date is passed over."""
        try:
            moment = parsedate_to_datetime(header or "")
        except ValueError:
            return
        self._read = (moment if moment.tzinfo else moment.replace(tzinfo=UTC), self._monotonic())

    def ahead(self, now: datetime) -> timedelta | None:
        """Return how far `now` is ahead of the service's clock (behind: negative); None if it has not answered."""
        if self._read is None:
            return None
        moment, at = self._read
        return now - moment - timedelta(seconds=self._monotonic() - at)


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC as documents for others have it, such as `2026-11-30T17:00:00.5Z`."""
    return moment.isoformat().replace("+00:00", "Z")
