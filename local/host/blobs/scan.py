"""Find new blob versions by listing the container, and put each in the queue once.

Unlike the real host's scan, this one does not go by Last-Modified, so it misses no blob written in
the same second as another.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from local.host.blobs.message import BlobMessage, quoted
from local.host.blobs.path import BlobPath
from local.host.blobs.receipts import Receipts
from local.host.invoker import Invoker

logger = logging.getLogger(__name__)

# Between two listings: ten times what a listing took, within these bounds (the upper one is the
# real host's interval in an account of Azure).
_SHORTEST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_PAUSE_FACTOR: Final = 10
_PARALLEL_ENQUEUES: Final = 16


@dataclass(frozen=True, kw_only=True)
class BlobScan:
    """The scan for one function."""

    function: str
    path: BlobPath
    container: ContainerClient
    receipts: Receipts
    enqueue: Callable[[BlobMessage], Awaitable[None]]
    invoker: Invoker

    async def run(self) -> None:
        """List the container again and again until cancelled."""
        await self._load_receipts()
        while True:
            began = time.monotonic()
            present = await self._listed()
            pause = (time.monotonic() - began) * _PAUSE_FACTOR
            if present is not None:
                await self._enqueue_new(present)
                self.receipts.keep_only(present)
            await asyncio.sleep(max(_SHORTEST_PAUSE, min(pause, _LONGEST_PAUSE)))

    async def _load_receipts(self) -> None:
        while True:
            try:
                return await self.receipts.load()
            except AzureError as exc:
                # Without them every blob would be handled again.
                self._warn("Cannot read the receipts", exc)
                await asyncio.sleep(_SHORTEST_PAUSE)

    async def _listed(self) -> list[BlobMessage] | None:
        try:
            blobs = self.container.list_blobs(name_starts_with=self.path.prefix or None)
            return [self._message(blob) async for blob in blobs if self._matches(blob)]
        except ResourceNotFoundError:
            return []  # the container may come later
        except AzureError as exc:
            self._warn("Cannot list the container", exc)
            return None

    def _matches(self, blob: BlobProperties) -> bool:
        return self.path.match(self.path.container, blob.name) is not None

    def _message(self, blob: BlobProperties) -> BlobMessage:
        return BlobMessage(
            function=self.function,
            container=self.path.container,
            blob=blob.name,
            etag=quoted(blob.etag),
            blob_type=blob.blob_type or "BlockBlob",
        )

    async def _enqueue_new(self, present: list[BlobMessage]) -> None:
        limit = asyncio.Semaphore(_PARALLEL_ENQUEUES)
        tasks: list[asyncio.Task[None]] = []
        for message in present:
            if not await self.receipts.has(message):
                await limit.acquire()
                # Not cut off when the scan is: a message without receipt would be sent again.
                tasks.append(self.invoker.start(self._enqueue(message)))
                tasks[-1].add_done_callback(lambda _: limit.release())
        await asyncio.gather(*map(asyncio.shield, tasks))

    async def _enqueue(self, message: BlobMessage) -> None:
        try:
            if not self.receipts.is_owed(message):
                await self.enqueue(message)
            await self.receipts.add(message)
        except AzureError as exc:
            self._warn("Cannot put a blob in the queue; the next listing tries again", exc)

    def _warn(self, sentence: str, exc: AzureError) -> None:
        logger.warning("%s: container %s: %s", sentence, self.path.container, exc)
