"""The app's process may end at any of its calls to a service: work is cut short before or after the k-th of them.

Of a crash nothing of the process is left: no call follows, nothing is cleaned up that needs one. A cancelled invocation
ends in the same places, but its process goes on, with all that it remembers.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

import pytest
from azure.core.pipeline.transport import AioHttpTransport


class Crashed(BaseException):
    """The process is gone. Not an `Exception`: nobody in it can catch it."""


class End(StrEnum):
    CRASH = "crash"
    CANCELLATION = "cancellation"


@dataclass(kw_only=True)
class Cut:
    """Ends work at its call number `at`, counted from 1: before the service hears of it, or when it has answered."""

    at: int
    is_after: bool
    end: End
    made: int = 0
    is_done: bool = False

    def __str__(self) -> str:
        return f"{self.end} {'after' if self.is_after else 'before'} call {self.at}"


_cuts: ContextVar[tuple[Cut, asyncio.Task] | None] = ContextVar("cuts", default=None)


@contextmanager
def cuttable_calls() -> Iterator[None]:
    """Let work be cut short at the calls that the SDKs make."""
    send = AioHttpTransport.send

    async def cuttable_send(self, request, **options):
        if (planned := _cuts.get()) is None:
            return await send(self, request, **options)
        cut, work = planned
        if cut.is_done and cut.end is End.CRASH:
            raise Crashed
        cut.made += 1
        is_here = cut.made == cut.at
        if is_here and not cut.is_after:
            await _strike(cut, work)
        response = await send(self, request, **options)
        if is_here and cut.is_after:
            if options.get("stream"):
                await response.close()
            await _strike(cut, work)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AioHttpTransport, "send", cuttable_send)
        yield


async def _strike(cut: Cut, work: asyncio.Task) -> None:
    cut.is_done = True
    if cut.end is End.CRASH:
        raise Crashed
    work.cancel()
    # It arrives at the next await, like any cancellation.
    await asyncio.Event().wait()


async def cut_short[T](work: Coroutine[object, object, T], cut: Cut) -> T | None:
    """Do the work until it is cut short, which `cut` says then; returns its result if it ended before."""
    task = asyncio.create_task(_with(work, cut))
    try:
        return await task
    except BaseException:
        if not cut.is_done:
            raise
        return None


async def _with[T](work: Coroutine[object, object, T], cut: Cut) -> T:
    this = asyncio.current_task()
    assert this is not None
    _cuts.set((cut, this))
    return await work
