"""Items that arrive while others are being worked on are coalesced: few calls for a burst.

A single item is worked on at once. While work is in flight, later items gather; when it is done they all go in the next
call. So nothing waits for a timer, and the more arrive at the same time, the fewer calls each of them costs.

Where many gather they do not wait for the end of the call before: a few calls are in flight beside each other then, so
that a burst is not held up by the time that one call takes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final


class Coalescer[Item, Result]:
    """Gathers single items for work on up to `most` of them; up to `at_once` such calls are in flight.

    A further one begins beside others only with `enough` items: fewer wait for the end of one that is in flight.
    """

    def __init__(self, most: int, *, at_once: int = 1, enough: int = 1) -> None:
        self._most: Final = most
        self._at_once: Final = at_once
        self._enough: Final = enough
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self, item: Item, work: Callable[[Sequence[Item]], Awaitable[list[Result]]]) -> Result:
        """Have this item worked on, perhaps together with others; returns its own result.

        `work` returns a result for each item, in their order, and must be the same for all items. Raises what the
        common call raised.
        """
        arrived: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, arrived))
        if self._is_worth_a_call(len(self._in_flight)) and len(self._in_flight) < self._at_once:
            calling = asyncio.create_task(self._work_on_all(work))
            self._in_flight.add(calling)
            # Also of one that is cancelled before it begins.
            calling.add_done_callback(self._in_flight.discard)
        return await arrived

    def _is_worth_a_call(self, others: int) -> bool:
        return len(self._waiting) >= (self._enough if others else 1)

    async def _work_on_all(self, work: Callable[[Sequence[Item]], Awaitable[list[Result]]]) -> None:
        try:
            while self._is_worth_a_call(len(self._in_flight) - 1):
                together = self._waiting[: self._most]
                del self._waiting[: self._most]
                outcome = (await asyncio.gather(work([item for item, _ in together]), return_exceptions=True))[0]
                _settle([future for _, future in together], outcome)
        finally:
            # In the same step as the last look at what waits: what arrives next begins a call of its own.
            if (this := asyncio.current_task()) is not None:
                self._in_flight.discard(this)


def _settle[Result](futures: Sequence[asyncio.Future[Result]], outcome: list[Result] | BaseException) -> None:
    for index, future in enumerate(futures):
        # An invocation that was cancelled meanwhile no longer listens.
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome[index])
