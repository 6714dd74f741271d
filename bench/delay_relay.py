"""A relay that makes the way to a server longer: bytes go on in both directions, each later by half a round trip.

    .venv/bin/python bench/delay_relay.py --round-trip-ms 20 20001:10000 20002:10001

Listens on the first port of each pair and passes everything on to the second, both of 127.0.0.1. Nothing is held back
but for the delay: it is no model of a slow line. A new connection takes a round trip, as its handshake would.
"""

import argparse
import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

_ADDRESS: Final = "127.0.0.1"


class _Later:
    """Does things a constant time later: so in the order in which they came, with one timer for all of them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Callable[[], object]]] = deque()
        self._is_timed = False

    def do(self, action: Callable[[], object]) -> None:
        due = self._loop.time() + self.seconds
        self._waiting.append((due, action))
        if not self._is_timed:
            self._time(due)

    def _time(self, due: float) -> None:
        self._is_timed = True
        self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._is_timed = False
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1]()
        if self._waiting:
            self._time(self._waiting[0][0])


class _End(asyncio.Protocol):
    """One end of a connection: what it hears is said at the other end, later. asyncio itself sets TCP_NODELAY."""

    transport: asyncio.Transport
    other: "_End | None" = None

    def __init__(self, later: _Later) -> None:
        self._later = later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is expected")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self._later.do(partial(self.other.transport.write, data))

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self._later.do(self.other.transport.close)


class _Front(_End):
    """The end of the client, which is not listened to before the server's end is connected."""

    def __init__(self, later: _Later, target: int) -> None:
        super().__init__(later)
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            _, back = await loop.create_connection(lambda: _End(self._later), _ADDRESS, self._target)
        except OSError:
            self.transport.close()
            return
        self.other, back.other = back, self
        # The handshake's round trip.
        await asyncio.sleep(2 * self._later.seconds)
        self.transport.resume_reading()


async def _relay(seconds: float, pairs: Sequence[tuple[int, int]]) -> None:
    later, loop = _Later(seconds), asyncio.get_running_loop()
    for listening, target in pairs:
        await loop.create_server(partial(_Front, later, target), _ADDRESS, listening)
    print(f"relaying with {2000 * seconds:g} ms", flush=True)
    await asyncio.Event().wait()


def _pair(text: str) -> tuple[int, int]:
    listening, target = text.split(":")
    return int(listening), int(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--round-trip-ms", type=float, required=True)
    parser.add_argument("pairs", type=_pair, nargs="+", metavar="LISTENING:TARGET")
    arguments = parser.parse_args()
    asyncio.run(_relay(arguments.round_trip_ms / 2000, arguments.pairs))


if __name__ == "__main__":
    main()
