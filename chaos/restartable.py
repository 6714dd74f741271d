"""A part of the stack that is killed and started again, at the same place and with the same state."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from chaos.errors import ChaosError
from local.processes import ChildProcess


class Running(Protocol):
    """What a started part has in common with others."""

    @property
    def process(self) -> ChildProcess: ...


class Restartable:
    """A part of the stack; `open_part` starts it, given how often it was started before."""

    def __init__(self, open_part: Callable[[int], AbstractAsyncContextManager[Running]]) -> None:
        self._open_part = open_part
        self._opened = AsyncExitStack()
        self._running: Running | None = None
        self.kills = 0

    async def start(self) -> None:
        """Start the part and return when it is ready; raise StackError."""
        self._running = await self._opened.enter_async_context(self._open_part(self.kills))

    async def kill(self) -> None:
        """End it with SIGKILL, between any two of its instructions."""
        self.require_alive()
        if self._running is not None:
            await self._running.process.kill()
        self._running = None
        self.kills += 1
        await self._opened.aclose()

    async def stop(self) -> None:
        self._running = None
        await self._opened.aclose()

    def require_alive(self) -> None:
        """Raise ChaosError if it has ended though nobody killed it."""
        process = self._running.process if self._running else None
        if process is not None and process.exit_code is not None:
            raise ChaosError(f"{process.name} ended by itself; the last lines of {process.log}:\n{process.tail()}")
