"""A command that waits says what for, so that it does not seem to hang."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

#: What is done sooner is not worth a line; then one comes every so often. In seconds.
FIRST, EVERY = 2.0, 10.0


@asynccontextmanager
async def announcing(what: str) -> AsyncIterator[None]:
    """Say on standard error what is being done if the block takes long; `what` reads like "deleting pool p"."""
    announcer = asyncio.create_task(_announce(what))
    try:
        yield
    finally:
        announcer.cancel()
        with suppress(asyncio.CancelledError):
            await announcer


async def _announce(what: str) -> None:
    began = time.monotonic()
    await asyncio.sleep(FIRST)
    while True:
        print(f"  still {what} ({time.monotonic() - began:.0f} s)...", file=sys.stderr, flush=True)
        await asyncio.sleep(EVERY)
