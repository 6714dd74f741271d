"""How many bytes of output are in memory at the same time, however many tasks' outputs are copied beside each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryRoom:
    """Room for so many bytes, which is taken in places."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator["Place"]:
        """Give a place of `size` bytes, taken when it is asked for, and free again at the end of the block."""
        place = Place(self, size)
        try:
            yield place
        finally:
            if place.is_taken:
                self._taken -= size
                self._freed.set()

    async def take(self, size: int) -> None:
        """Wait until so many bytes are free, and take them."""
        while self._taken + size > self._limit:
            self._freed.clear()
            await self._freed.wait()
        self._taken += size


class Place:
    """Room for all of one copy: taken at once, so that no two copies hold a half each and wait for the other."""

    def __init__(self, room: MemoryRoom, size: int) -> None:
        self._room = room
        self._size = size
        self._lock = asyncio.Lock()
        self.is_taken = False

    async def take(self) -> None:
        """Take the place, if it is not taken; waits until there is room."""
        async with self._lock:
            if not self.is_taken:
                await self._room.take(self._size)
                self.is_taken = True
