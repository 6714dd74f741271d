"""The blob triggers of an app put together: their queue, scans and Event Grid webhook."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from local.host.bindings import BlobSource, BlobTrigger
from local.host.blobs.dispatcher import BlobDispatcher, RegisteredBlobTrigger
from local.host.blobs.event_grid import EventGridWebhook
from local.host.blobs.message import BlobMessage
from local.host.blobs.path import BlobPath
from local.host.blobs.receipts import Receipts
from local.host.blobs.scan import BlobScan
from local.host.connections import HOST_STORAGE, Connections
from local.host.host_settings import HostSettings
from local.host.invoker import Invoker
from local.host.queues.listener import QueueListener, ReceivedMessage, encoded

_POISON_QUEUE: Final = "webjobs-blobtrigger-poison"


@dataclass(frozen=True, kw_only=True)
class BlobTriggers:
    """All blob triggers share one queue; `listener` drains it, `scans` fill it."""

    listener: QueueListener
    scans: tuple[BlobScan, ...]
    webhook: EventGridWebhook

    @classmethod
    async def open(
        cls,
        triggers: Sequence[BlobTrigger],
        *,
        connections: Connections,
        hosts_container: ContainerClient,
        host_id: str,
        settings: HostSettings,
        invoker: Invoker,
    ) -> Self:
        """Create the host's blob queue and what works on it; raise BindingError, AzureError."""
        registered = {t.function.full_name: await _registered(t, connections) for t in triggers}
        queues = await connections.queues(HOST_STORAGE)
        poison = {t.function.full_name: await _poison_queue(t.connection, connections) for t in triggers}
        poison_of_the_host = queues.get_queue_client(_POISON_QUEUE)
        listener = QueueListener(
            queue=queues.get_queue_client(f"azure-webjobs-blobtrigger-{host_id}"),
            poison=lambda message: poison.get(_function_of(message), poison_of_the_host),
            handle=BlobDispatcher(triggers=registered, invoker=invoker).handle,
            parallelism=settings.blob_parallelism,
            tries=settings.blob_tries,
            invoker=invoker,
        )
        with contextlib.suppress(ResourceExistsError):
            await listener.queue.create_queue()

        async def enqueue(message: BlobMessage) -> None:
            await listener.queue.send_message(encoded(message.as_json()))
            listener.wake()

        scans = (
            BlobScan(
                function=name,
                path=known.path,
                container=known.service.get_container_client(known.path.container),
                receipts=Receipts(hosts_container, host_id, name),
                enqueue=enqueue,
                invoker=invoker,
            )
            for name, known in registered.items()
            if known.trigger.source is BlobSource.SCAN
        )
        webhook = EventGridWebhook(triggers=registered, enqueue=enqueue)
        return cls(listener=listener, scans=tuple(scans), webhook=webhook)


async def _poison_queue(connection: str, connections: Connections) -> QueueClient:
    """Return the poison queue for blobs of this connection: it lies beside the blobs, not in the host's account.

    `GetPoisonQueue` in SharedBlobQueueListenerFactory.cs of the real host's Storage extension.
    """
    return (await connections.queues(connection)).get_queue_client(_POISON_QUEUE)


def _function_of(message: ReceivedMessage) -> str:
    with contextlib.suppress(ValueError):
        return BlobMessage.from_json(message.body.decode()).function
    return ""


async def _registered(trigger: BlobTrigger, connections: Connections) -> RegisteredBlobTrigger:
    return RegisteredBlobTrigger(
        trigger=trigger,
        path=BlobPath.parse(trigger.path),
        service=await connections.blobs(trigger.connection),
    )
