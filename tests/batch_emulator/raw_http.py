"""One HTTP connection without any manners: it sends what it is given, byte for byte."""

import asyncio
import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

from tests.batch_emulator.signed import signature


class RawConnection:
    """Opens itself again when the emulator has closed it."""

    def __init__(self, url):
        self._address = urlsplit(url)
        self._reader = self._writer = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def ask(self, method, target, headers, body=b""):
        """Send a request, signed; return status, headers and body of the answer."""
        headers = {"Host": self._address.netloc, **headers}
        if body or method not in {"GET", "HEAD"}:
            headers.setdefault("Content-Length", str(len(body)))
        path, _, query = target.partition("?")
        values = {name: given[0] for name, given in parse_qs(query).items()}
        headers.setdefault("Authorization", signature(method, path, values, headers))
        lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()], "", ""]
        return await self.exchange("\r\n".join(lines).encode(errors="surrogateescape") + body, method)

    async def exchange(self, data, method="GET"):
        """Send bytes and read the answer; once more on a new connection where a used one was closed."""
        if self._writer is not None:
            try:
                return await self._exchange(data, method)
            except (EOFError, ConnectionError):
                await self.close()
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        return await self._exchange(data, method)

    async def _exchange(self, data, method):
        self._writer.write(data)
        answer = await self._read(method)
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def _read(self, method):
        head = await self._read_head()
        while head[0].split()[1] == "100":
            head = await self._read_head()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = b"" if method == "HEAD" else await self._body(headers)
        is_json = "application/json" in headers.get("content-type", "")
        return SimpleNamespace(
            status=int(head[0].split()[1]), headers=headers, body=strict_json(body) if is_json and body else body
        )

    async def _read_head(self):
        return (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()

    async def _body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            chunks = []
            while size := int(await self._reader.readline(), 16):
                chunks.append(await self._reader.readexactly(size + 2))
            await self._reader.readline()
            return b"".join(chunk[:-2] for chunk in chunks)
        return await self._reader.readexactly(int(headers.get("content-length", 0)))


def strict_json(text):
    """Read JSON as strict clients do: NaN and the infinities are not numbers."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)
