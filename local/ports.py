"""TCP ports of this machine: which are free, which are taken and who wanted them."""

import asyncio
import atexit
import secrets
import socket
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from local.errors import PortsTakenError

ADDRESS: Final = "127.0.0.1"
LAST_PORT: Final = 65_535

# Below what Linux (32768) and macOS (49152) give to outgoing connections, so that no client socket
# takes a port between the moment it is found free and the moment a server binds it.
_FIRST: Final = 20_000
_END: Final = 32_000
_BLOCK: Final = 40


def free_ports(count: int) -> list[int]:
    """Return `count` different ports on which nothing listens now, and which no other process is given."""
    found = list(islice(filter(is_free, _own_ports), count))
    if len(found) < count:
        raise PortsTakenError(f"found no {count} free ports between {_FIRST} and {_END}")
    return found


def _draw() -> Iterator[int]:
    """Give the ports of blocks that are this process's own: it listens on the first of each, which no other can."""
    blocks = range(_FIRST, _END, _BLOCK)
    for first in secrets.SystemRandom().sample(blocks, len(blocks)):
        guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            guard.bind((ADDRESS, first))
            guard.listen(1)
        except OSError:
            guard.close()
            continue
        # Which also keeps it open until then.
        atexit.register(guard.close)
        yield from range(first + 1, first + _BLOCK)


_own_ports = _draw()


def port_number(text: str) -> int:
    """Return the port that a command line names; raise ArgumentTypeError when there is none of this number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LAST_PORT:
        raise ArgumentTypeError(f"{text!r} is no port: there are 1 to {LAST_PORT}")
    return int(text)


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def require_free(wanted: Mapping[str, int]) -> None:
    """Raise PortsTakenError, naming every taken port of `wanted` (purpose to port) at once."""
    taken = [f"  {port}  for {purpose}" for purpose, port in wanted.items() if not is_free(port)]
    if taken:
        raise PortsTakenError(
            "these ports of 127.0.0.1 are taken:\n"
            + "\n".join(taken)
            + "\nEnd what listens there (perhaps a stack that is already up), or choose others in"
        )


async def accepts_connections(port: int) -> bool:
    """Return whether a server answers on this port."""
    try:
        _, writer = await asyncio.open_connection(ADDRESS, port)
    except OSError:
        return False
    writer.close()
    return True
