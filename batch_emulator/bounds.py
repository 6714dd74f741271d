"""How long a client may take, and how many connections there may be: nobody holds what others need."""

import asyncio
import logging
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from batch_emulator.errors import BatchError, ErrorCode

logger = logging.getLogger(__name__)

#: Seconds for a request's head, and for a connection without a request; clients open a new one by themselves.
IDLE_SECONDS: Final[float] = 120
#: Seconds for a body, of which there is a megabyte at most.
BODY_SECONDS: Final[float] = 60
#: Connections at one time: below the 1024 open files that a process usually may have.
MAX_CONNECTIONS: Final[int] = 900

_FULL: Final = "There are %d connections, as many as the emulator serves: another one was closed"


class BoundedServer(web.Server):
    """An HTTP server that closes connections beyond the limit at once."""

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > MAX_CONNECTIONS:
            logger.warning(_FULL, MAX_CONNECTIONS)
            transport.abort()


async def read_in_time(request: web.BaseRequest) -> bytes:
    """Return the body. Raises RequestTimedOut, or HTTPRequestEntityTooLarge for a megabyte and more."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as exc:
        raise BatchError(ErrorCode.REQUEST_TIMED_OUT) from exc
