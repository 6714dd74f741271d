"""The HTTP server of the host: its guard, and bounds in time and number for clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler

from local.host.errors import HostError
from local.host.http.access import Access
from local.ports import ADDRESS

# How long a connection may wait for a whole head of a request, and a request for its whole body.
IDLE_SECONDS: Final = 75.0
BODY_SECONDS: Final = 60.0
# How long more of such a body is still taken after the answer, which a client that sends would not see else.
LINGER_SECONDS: Final = 10.0

# Below the 1,024 files that a process may have open by default.
MOST_CONNECTIONS: Final = 500


# Of a head: its first line (with the URL) and each of its fields, in bytes, and the number of fields.
LONGEST_LINE: Final = 16 * 1024
MOST_FIELDS: Final = 128


@asynccontextmanager
async def serving(app: web.Application, access: Access, port: int, *, grace_seconds: float) -> AsyncIterator[None]:
    """Serve on 127.0.0.1 until the block is left; raise HostError where the port is taken."""
    connections = _Connections()
    app.middlewares.extend((access.guard(), _whole_body, connections.in_use))
    # The real host hands compressed bodies on as they come, and what nobody unpacks cannot be a bomb either.
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=grace_seconds,
        auto_decompress=False,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
        max_headers=MOST_FIELDS,
    )
    await runner.setup()
    listener: asyncio.Server | None = None
    try:
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(lambda: connections.accepted(runner), ADDRESS, port)
        except OSError as exc:
            raise HostError(f"cannot listen on {ADDRESS}:{port}: {exc.strerror}") from exc
        yield
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()


class _Connections:
    """Keeps their number within its bound: the oldest that waits for its client makes way for a new one."""

    def __init__(self) -> None:
        self._in_use: set[RequestHandler] = set()

    def accepted(self, runner: web.AppRunner) -> RequestHandler:
        """Return the protocol of a new connection."""
        server = runner.server
        assert server is not None  # noqa: S101  # the runner is set up
        open_ones = server.connections
        excess = max(len(open_ones) - MOST_CONNECTIONS + 1, 0)
        # Those whose function runs come last: their answers are on the way.
        for oldest in sorted(open_ones, key=self._in_use.__contains__)[:excess]:
            oldest.force_close()
        return server()

    @property
    def in_use(self) -> Middleware:
        """The middleware that notes which connections have a whole request answered."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._in_use.add(request.protocol)
            try:
                return await handler(request)
            finally:
                self._in_use.discard(request.protocol)

        return answer


@web.middleware
async def _whole_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body before anything is called; a client that sends it too slowly, or breaks off, gets an answer."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await request.read()
    except TimeoutError:
        return web.json_response({"error": "The body did not arrive in time."}, status=HTTPStatus.REQUEST_TIMEOUT)
    except web.RequestPayloadError as exc:
        return web.json_response({"error": f"The body cannot be read: {exc}"}, status=HTTPStatus.BAD_REQUEST)
    return await handler(request)
