"""Items that arrive while others are being worked on are coalesced: few calls for a burst.

A single item is worked on at once. While work is in flight, later items gather; when it is done they all go in the next
call. So nothing waits for a timer, and the more arrive at the same time, the fewer calls each of them costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


class Coalescer[Item, Result]:
    """Gathers single items for work on up to `most` of them; one such call is in flight at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._in_flight: asyncio.Task[None] | None = None

    async def run(self, item: Item, work: Callable[[Sequence[Item]], Awaitable[list[Result]]]) -> Result:
        """Have this item worked on, perhaps together with others; returns its own result.

        `work` returns a result for each item, in their order, and must be the same for all items. Raises what the
        common call raised.
        """
        arrived: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, arrived))
        if self._in_flight is None:
            self._in_flight = asyncio.create_task(self._run_all(work))
        return await arrived

    async def _run_all(self, work: Callable[[Sequence[Item]], Awaitable[list[Result]]]) -> None:
        try:
            while self._waiting:
                together = self._waiting[: self._most]
                del self._waiting[: self._most]
                outcome = (await asyncio.gather(work([item for item, _ in together]), return_exceptions=True))[0]
                _settle([future for _, future in together], outcome)
        finally:
            self._in_flight = None


def _settle[Result](futures: Sequence[asyncio.Future[Result]], outcome: list[Result] | BaseException) -> None:
    for index, future in enumerate(futures):
        # An invocation that was cancelled meanwhile no longer listens.
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome[index])
