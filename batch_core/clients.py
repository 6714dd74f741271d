"""The SDK's clients, made once per process: endpoint and credential are the only difference between Azure and here."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables.aio import TableServiceClient
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import BlobServiceClient

from batch_core.accounts import BatchAccount, StorageConnection
from batch_core.errors import note_answer
from batch_core.settings import Settings

#: One block of an upload, and the most that is sent in a single call, in bytes.
BLOCK_SIZE = 4 * 1024 * 1024

#: The longest pause that a call makes because the service asked for it, in seconds.
LONGEST_PAUSE = 10

# Enough tries to pass a short throttling; what lasts longer is the next tick's business, so that no invocation hangs.
_RETRIES: dict[str, Any] = {
    "retry_total": 4,
    "retry_backoff_factor": 0.5,
    "retry_backoff_max": LONGEST_PAUSE,
    "connection_timeout": 10,
    # The services give up a request of their own accord after 30 seconds.
    "read_timeout": 40,
}


class NotingTransport(AioHttpTransport):  # type: ignore[misc] # the package exports it untyped
    """Notes that an answer has come, so that what goes wrong in reading it is told from an error of this program."""

    async def send(self, request: HttpRequest, **options: object) -> AsyncHttpResponse:
        response: AsyncHttpResponse = await super().send(request, **options)
        note_answer()
        return response


class BriefRetries(AsyncRetryPolicy[Any, Any]):
    """Tries again as the SDK does, but hands a reply that asks for a long pause to the caller at once.

    The SDK would wait as long as `Retry-After` says, within the invocation.
    """

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        asked = self.get_retry_after(response) or 0
        return asked <= LONGEST_PAUSE and super().is_retry(settings, response)


# Of a streamed reply that is an error, azure-batch 15.1.0 tries to read the body too early, and logs that as a warning
# with a traceback; `BatchService` reads it afterwards.
logging.getLogger("azure.batch._utils.model_base").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Open clients; `close` them when done."""

    blobs: BlobServiceClient
    tables: TableServiceClient
    batch: BatchClient
    _closers: tuple[Callable[[], Awaitable[None]], ...]

    async def close(self) -> None:
        for close in self._closers:
            await close()


def open_clients(settings: Settings) -> Clients:
    """Make the clients; nothing is sent yet. Must be called where an event loop runs."""
    # Made always and asked only where no key is set: it does nothing until the first token is needed.
    identity = DefaultAzureCredential()
    blobs, tables = _storage_clients(settings.storage, identity)
    batch = _batch_client(settings.batch, identity)
    closers = (blobs.close, tables.close, batch.close, identity.close)
    return Clients(blobs=blobs, tables=tables, batch=batch, _closers=closers)


def _storage_clients(
    connection: StorageConnection, identity: DefaultAzureCredential
) -> tuple[BlobServiceClient, TableServiceClient]:
    blocks: dict[str, Any] = {"max_block_size": BLOCK_SIZE, "max_single_put_size": BLOCK_SIZE}
    if connection.connection_string:
        return (
            BlobServiceClient.from_connection_string(connection.connection_string, transport=_transport(), **blocks),
            TableServiceClient.from_connection_string(connection.connection_string, transport=_transport(), **_RETRIES),
        )
    return (
        BlobServiceClient(connection.blob_uri, credential=identity, transport=_transport(), **blocks),
        TableServiceClient(connection.table_uri, credential=identity, transport=_transport(), **_RETRIES),
    )


def _batch_client(account: BatchAccount, identity: DefaultAzureCredential) -> BatchClient:
    credential = AzureNamedKeyCredential(account.name, account.key) if account.key else identity
    retries = BriefRetries(**_RETRIES)
    return BatchClient(account.endpoint, credential, transport=_transport(), retry_policy=retries, **_RETRIES)


def _transport() -> NotingTransport:
    return NotingTransport(connection_timeout=_RETRIES["connection_timeout"], read_timeout=_RETRIES["read_timeout"])
