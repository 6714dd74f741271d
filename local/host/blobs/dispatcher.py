"""Blob triggers: what is in the host's blob queue, handed to the function it names."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from local.host.bindings import BlobSource, BlobTrigger
from local.host.blobs.message import BlobMessage, quoted
from local.host.blobs.names import properties_of
from local.host.blobs.path import BlobPath
from local.host.invoker import Invoker
from local.host.protos import TypedData
from local.host.queues.listener import ReceivedMessage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RegisteredBlobTrigger:
    """A blob trigger with its path understood and its account opened."""

    trigger: BlobTrigger
    path: BlobPath
    service: BlobServiceClient


@dataclass(frozen=True, kw_only=True)
class BlobDispatcher:
    """Handles the messages of the blob queue; `triggers` are by the function's full name."""

    triggers: Mapping[str, RegisteredBlobTrigger]
    invoker: Invoker

    async def handle(self, received: ReceivedMessage) -> None:
        """Run the function for the blob version a message names.

        A message about a blob that is gone, or has a newer version, is dropped: the newer version
        has a message of its own. Raise InvocationFailedError, AzureError, or ValueError.
        """
        message = BlobMessage.from_json(received.body.decode())
        registered = self.triggers.get(message.function)
        if registered is None:
            self._drop("Dropped a message for a function that is not in this app", message)
            return
        blob = registered.service.get_blob_client(message.container, message.blob)
        try:
            properties = await properties_of(registered.service, message.container, message.blob)
        except ResourceNotFoundError:
            self._drop("Dropped a message about a blob that is gone", message)
            return
        if registered.trigger.source is BlobSource.SCAN and quoted(properties.etag) != message.etag:
            self._drop("Dropped a message about an older version of a blob", message)
            return
        await self._call(registered, message, blob, properties)

    async def _call(
        self,
        registered: RegisteredBlobTrigger,
        message: BlobMessage,
        blob: BlobClient,
        properties: BlobProperties,
    ) -> None:
        trigger = registered.trigger
        content = _reference(trigger, message) if trigger.deferred else await _content(trigger, blob)
        await self.invoker.call(
            trigger.function,
            reason=f"blob {message.container}/{message.blob}",
            inputs={trigger.parameter: content},
            metadata=_metadata(registered.path, message, blob, properties),
        )

    def _drop(self, sentence: str, message: BlobMessage) -> None:
        logger.info("%s: %s of %s", sentence, message.blob, message.function)


@dataclass(frozen=True, kw_only=True)
class _ModelBindingData:
    """What an SDK-type parameter is made from."""

    content: bytes
    version: str = "1.0"
    source: str = "AzureStorageBlobs"
    content_type: str = "application/json"


def _reference(trigger: BlobTrigger, message: BlobMessage) -> TypedData:
    fields = {
        "Connection": trigger.connection,
        "ContainerName": message.container,
        "BlobName": message.blob,
    }
    return TypedData(model_binding_data=_ModelBindingData(content=json.dumps(fields).encode()))


async def _content(trigger: BlobTrigger, blob: BlobClient) -> TypedData:
    content = await (await blob.download_blob()).readall()
    if trigger.binary:
        return TypedData(bytes=content)
    # The real host does the same: without data_type="binary" bytes that are no UTF-8 are lost.
    return TypedData(string=content.decode("utf-8", errors="replace"))


def _metadata(
    path: BlobPath, message: BlobMessage, blob: BlobClient, properties: BlobProperties
) -> dict[str, TypedData]:
    details = {"ETag": quoted(properties.etag), "Length": properties.size}
    return {
        "BlobTrigger": TypedData(string=f"{message.container}/{message.blob}"),
        "Uri": TypedData(string=blob.url.partition("?")[0]),
        "Properties": TypedData(json=json.dumps(details)),
        "Metadata": TypedData(json=json.dumps(properties.metadata or {})),
        **{
            name: TypedData(string=value) for name, value in (path.match(message.container, message.blob) or {}).items()
        },
    }
