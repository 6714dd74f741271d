"""How long a call to a service may take, with all its tries: one answer for Batch, Blobs and Tables.

`LONGEST_CALL` follows from it, and from that follows how long a call may be in flight (`cancel.IN_FLIGHT`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from azure.core.exceptions import ClientAuthenticationError, ServiceResponseTimeoutError

#: Enough tries to pass a short throttling; what lasts longer is left to the next tick, so that no invocation hangs.
TRIES: Final = 4
#: The longest pause between two tries, whatever the service asks for, in seconds.
LONGEST_PAUSE: Final = 10
#: Seconds, doubled with each try, as azure-core counts.
BACKOFF_FACTOR: Final = 0.5
#: For a connection, in seconds.
CONNECTION_TIMEOUT: Final = 10
#: For the next bytes of a reply, in seconds: the services give up a request of their own accord after 30.
READ_TIMEOUT: Final = 40
#: One try from its first byte to its last, in seconds; a reply that arrives drop by drop ends here, too.
LONGEST_TRY: Final = CONNECTION_TIMEOUT + READ_TIMEOUT
#: What a managed identity may take to give a token, in seconds.
LONGEST_TOKEN: Final = 30
#: A call with all its tries, the pauses between them, and a token.
LONGEST_CALL: Final = timedelta(seconds=LONGEST_TOKEN + TRIES * LONGEST_TRY + (TRIES - 1) * LONGEST_PAUSE)


@asynccontextmanager
async def within_a_try(doing: str) -> AsyncIterator[None]:
    """End what takes longer than one try may, with the SDK's own error for a reply that does not come."""
    try:
        async with asyncio.timeout(LONGEST_TRY):
            yield
    except TimeoutError as exc:
        raise ServiceResponseTimeoutError(f"{doing} was not done within {LONGEST_TRY} seconds") from exc


@asynccontextmanager
async def within_a_token() -> AsyncIterator[None]:
    """End a request for a token that takes longer than `LONGEST_TOKEN`, with the error that no policy retries."""
    try:
        async with asyncio.timeout(LONGEST_TOKEN):
            yield
    except TimeoutError as exc:
        # The retry policies give up at once on this kind alone.
        raise ClientAuthenticationError(f"the identity gave no token within {LONGEST_TOKEN} seconds") from exc
