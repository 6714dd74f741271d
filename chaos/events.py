"""The events of dropped files, as the host writes them: sent twice, or taken away."""

from typing import Final

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from chaos.dropper import Dropped
from chaos.system import HOST_ID
from local.host.blobs.message import BlobMessage, quoted
from local.host.blobs.receipts import Receipts
from local.host.queues.listener import encoded

_FUNCTION: Final = "Host.Functions.submit_blob"


class Events:
    """The host's queue and its receipts."""

    def __init__(self, queue: QueueClient, hosts: ContainerClient, container: str) -> None:
        self._queue = queue
        self._receipts = Receipts(hosts, HOST_ID, _FUNCTION)
        self._container = container

    async def repeat(self, dropped: Dropped) -> None:
        """Send the event of a version once more."""
        await self._queue.send_message(encoded(self._message(dropped).as_json()))

    async def forget(self, dropped: Dropped) -> None:
        """Let the host believe that it has sent this version's event: it never will. The host must be down."""
        await self._receipts.add(self._message(dropped))

    async def take_away(self, count: int) -> int:
        """Take events out of the queue, whose receipts stay; returns how many, for the host may be quicker."""
        taken = 0
        async for message in self._queue.receive_messages(max_messages=count, visibility_timeout=60):
            await self._queue.delete_message(message)
            taken += 1
        return taken

    async def are_handled(self) -> bool:
        """Return whether no event waits to be handled; those of a killed host are out of sight for ten minutes."""
        try:
            return not await self._queue.peek_messages()
        except AzureError:
            return False

    def _message(self, dropped: Dropped) -> BlobMessage:
        return BlobMessage(
            function=_FUNCTION,
            container=self._container,
            blob=dropped.version.name,
            etag=quoted(dropped.etag),
        )
