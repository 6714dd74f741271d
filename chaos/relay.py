"""A relay before a service, which passes everything on but for the answers that somebody spoils.

What it puts in their place is what proxies, gateways and login pages say: no answer of the service.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from multidict import CIMultiDict
from yarl import URL

_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


#: What the client would add of its own; the service's signature covers some of it.
_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Ending(StrEnum):
    """How much of the body is sent."""

    WHOLE = "whole"
    #: The first half, as if that were all.
    HALF = "half"
    #: The first half of a chunked body; then the connection is closed.
    BROKEN_OFF = "broken off"


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """What is answered in place of the service: what is None stays as the service says it.

    With `is_after` the service has done what it was asked; without it the service has not heard of it.
    """

    status: int | None = None
    body: bytes | None = None
    content_type: str | None = None
    ending: Ending = Ending.WHOLE
    is_after: bool = True
    #: Whether the service's own headers go with it.
    keeps_headers: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: its method, its path with the query as they came, its body."""

    method: str
    path: str
    body: bytes


#: Says what becomes of the answer to a request; None: it passes.
type Spoil = Callable[[Asked], Spoiled | None]


def pass_all(_: Asked) -> None:
    """Spoil nothing."""


@dataclass
class Relay:
    """A relay that runs: `endpoint` stands in for the service's, without a path; `spoil` may be set at any time."""

    endpoint: str
    target: str
    session: ClientSession
    spoil: Spoil = pass_all
    struck: int = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass the request on, and its answer back."""
        # Not `request.read()`, which has a bound of its own.
        body = await request.content.read()
        spoiled = self.spoil(Asked(method=request.method, path=request.raw_path, body=body))
        try:
            return await self._pass_on(request, body, spoiled)
        except ClientError:
            # The service is down, which a relay says in its own words.
            return await self._answer(request, 502, CIMultiDict({"Content-Type": "text/html"}), b"<html>Bad Gateway")

    async def _pass_on(self, request: web.BaseRequest, body: bytes, spoiled: Spoiled | None) -> web.StreamResponse:
        if spoiled is None:
            return await self._answer(request, *await self._ask(request, body))
        self.struck += 1
        if not spoiled.is_after:
            return await self._spoiled(request, spoiled, 200, CIMultiDict(), b"")
        return await self._spoiled(request, spoiled, *await self._ask(request, body))

    async def _ask(self, request: web.BaseRequest, body: bytes) -> tuple[int, CIMultiDict[str], bytes]:
        url = URL(self.target + request.raw_path, encoded=True)
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() != "connection")
        async with self.session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False, skip_auto_headers=_AUTOMATIC
        ) as answer:
            kept = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP)
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                kept["Content-Length"] = answer.headers["Content-Length"]
            return answer.status, kept, await answer.read()

    async def _spoiled(
        self, request: web.BaseRequest, spoiled: Spoiled, status: int, headers: CIMultiDict[str], body: bytes
    ) -> web.StreamResponse:
        if not spoiled.keeps_headers:
            headers = CIMultiDict({"Content-Type": headers.get("Content-Type", "text/html")})
        if spoiled.content_type is not None:
            headers["Content-Type"] = spoiled.content_type
        headers.update(spoiled.headers)
        body = body if spoiled.body is None else spoiled.body
        if spoiled.ending is not Ending.WHOLE:
            body = body[: max(1, len(body) // 2)]
        is_broken = spoiled.ending is Ending.BROKEN_OFF
        return await self._answer(request, spoiled.status or status, headers, body, is_broken=is_broken)

    async def _answer(
        self,
        request: web.BaseRequest,
        status: int,
        headers: CIMultiDict[str],
        body: bytes,
        *,
        is_broken: bool = False,
    ) -> web.StreamResponse:
        if not is_broken and request.method != "HEAD" and status not in {204, 304}:
            headers["Content-Length"] = str(len(body))
        answer = web.StreamResponse(status=status, headers=headers)
        # Who has gone meanwhile needs no answer.
        with suppress(ConnectionError):
            await answer.prepare(request)
            if request.method != "HEAD" and body:
                await answer.write(body)
        if is_broken and request.transport is not None:
            request.transport.close()
        return answer


@asynccontextmanager
async def relaying(target: str) -> AsyncIterator[Relay]:
    """Run a relay to the service at `target` (a URL without a path) on a free port until the block is left."""
    async with ClientSession(auto_decompress=False, timeout=ClientTimeout(total=120)) as session:
        relay = Relay(endpoint="", target=_base(target), session=session)
        runner = web.ServerRunner(web.Server(relay.handle))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            relay.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield relay
        finally:
            await runner.cleanup()


def _base(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
