"""Closed-loop load over plain sockets: cheap enough that the server, not the client, is what is measured."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

from local.emulator import DEFAULT_ACCOUNT

_VERSION: Final = "2025-06-01"
_JSON: Final = "application/json; odata=minimalmetadata"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it goes over the wire; `path` needs no encoding."""

    method: str
    path: str
    body: bytes = b""

    def encoded(self, host: str) -> bytes:
        """Return the signed request: https://learn.microsoft.com/rest/api/batchservice ."""
        date = formatdate(usegmt=True)
        length, kind = (str(len(self.body)), _JSON) if self.method == "POST" else ("", "")
        signed = [self.method, "", "", length, "", kind, "", "", "", "", "", "", f"ocp-date:{date}"]
        signed += [f"/{DEFAULT_ACCOUNT.name}{self.path}", f"api-version:{_VERSION}"]
        digest = hmac.digest(b64decode(DEFAULT_ACCOUNT.key), "\n".join(signed).encode(), "sha256")
        headers = {
            "Host": host,
            "Accept": "application/json",
            "ocp-date": date,
            "Authorization": f"SharedKey {DEFAULT_ACCOUNT.name}:{b64encode(digest).decode()}",
        }
        if length:
            headers |= {"Content-Length": length, "Content-Type": kind}
        lines = [f"{self.method} {self.path}?api-version={_VERSION} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class _Connection(asyncio.Protocol):
    """Sends one request after another, each when the last one's answer is complete."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._received = bytearray()
        self.last = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is expected")
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0 or len(self._received) < head + 4 + _length(self._received, head):
            return
        if self._received[9:10] != b"2":
            self.ended.set_exception(RuntimeError(self._received.decode()))
            self._transport.close()
            return
        self.last = bytes(self._received[head + 4 :])
        self._received.clear()
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
            return
        self._transport.close()
        self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("The server closed the connection"))


def _length(received: bytearray, head: int) -> int:
    start = received.find(b"Content-Length: ", 0, head)
    return int(received[start + 16 : received.find(b"\r\n", start, head + 2)]) if start >= 0 else 0


async def send_all(url: str, requests: list[Request], connections: int = 8) -> bytes:
    """Send the requests over so many connections; return one of the last answers' bodies.

    Raises RuntimeError for an answer that is no success.
    """
    address = urlsplit(url)
    encoded = [request.encoded(address.netloc) for request in requests]
    loop = asyncio.get_running_loop()
    todo = iter(encoded)
    opened = [
        await loop.create_connection(lambda: _Connection(todo), str(address.hostname), int(address.port or 80))
        for _ in range(min(connections, len(requests)))
    ]
    await asyncio.gather(*(protocol.ended for _, protocol in opened))
    return max((protocol.last for _, protocol in opened), key=len)
