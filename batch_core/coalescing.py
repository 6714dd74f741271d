"""Files that arrive while others are being submitted wait a moment and go together: few calls for a burst of files.

A single file goes at once. While a submission is under way, later ones gather; when it is done they all go in the next.
So nothing ever waits for a timer, and the more arrives at the same time, the fewer calls each file costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from batch_core.naming import BlobVersion
from batch_core.services.batch import MAX_TASKS_PER_CALL
from batch_core.submit import Submission

type Submit = Callable[[Sequence[BlobVersion]], Awaitable[list[Submission]]]


class Arrivals:
    """Gathers single arrivals for one `submit` of many; one such call is under way at a time."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._waiting: list[tuple[BlobVersion, asyncio.Future[Submission]]] = []
        self._under_way: asyncio.Task[None] | None = None

    async def submit(self, version: BlobVersion) -> Submission:
        """Submit this version, perhaps together with others; raises what the common submission raised."""
        arrived: asyncio.Future[Submission] = asyncio.get_running_loop().create_future()
        self._waiting.append((version, arrived))
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._submit_all())
        return await arrived

    async def _submit_all(self) -> None:
        try:
            while self._waiting:
                together = self._waiting[:MAX_TASKS_PER_CALL]
                del self._waiting[:MAX_TASKS_PER_CALL]
                await self._submit_together([version for version, _ in together], [future for _, future in together])
        finally:
            self._under_way = None

    async def _submit_together(
        self, versions: Sequence[BlobVersion], futures: Sequence[asyncio.Future[Submission]]
    ) -> None:
        outcome = (await asyncio.gather(self._submit(versions), return_exceptions=True))[0]
        for index, future in enumerate(futures):
            # An invocation that was cancelled meanwhile no longer listens.
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome[index])
