"""The SDK's clients, made once per process: endpoint and credential are the only difference between Azure and here."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables.aio import TableServiceClient
from azure.data.tables.aio._policies_async import AsyncTablesRetryPolicy
from azure.storage.blob.aio import BlobServiceClient

from batch_core.clocks import ServiceClock
from batch_core.config.accounts import BatchAccount, StorageConnection
from batch_core.config.clouds import cloud_of
from batch_core.config.settings import Settings
from batch_core.config.storage_connection import account_key_of
from batch_core.services.identities import app_identity
from batch_core.services.retries import RETRY_OPTIONS, BriefBlobRetries, BriefRetries, BriefTableRetries
from batch_core.services.storage_queue import StorageQueue
from batch_core.services.transport import BriefTransport

#: One block of an upload, and the most that is sent in a single call, in bytes.
BLOCK_SIZE: Final = 4 * 1024 * 1024

# None of the services redirects: who follows sends a signed request elsewhere, and begins to count its tries again.
_NO_REDIRECTS: Final[dict[str, Any]] = {"permit_redirects": False}

# Of a streamed reply that is an error, azure-batch 15.1.0 tries to read the body too early, and logs that as a warning
# with a traceback; `BatchService` reads it afterwards.
logging.getLogger("azure.batch._utils.model_base").setLevel(logging.ERROR)


class _BriefTables(TableServiceClient):
    """The SDK takes no retry policy for tables: this puts ours in the place of its own."""

    def _configure_policies(self, **options: Any) -> list[Any]:  # noqa: ANN401 - as the SDK has it
        policies = super()._configure_policies(**options)
        ours = BriefTableRetries(**RETRY_OPTIONS)  # type: ignore[no-untyped-call]
        return [ours if isinstance(policy, AsyncTablesRetryPolicy) else policy for policy in policies]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Open clients; `close` them when done. `clocks` hold what each service's replies said of the time."""

    blobs: BlobServiceClient
    tables: TableServiceClient
    batch: BatchClient
    #: Where events go; None: nobody wants them.
    queue: StorageQueue | None
    clocks: tuple[ServiceClock, ...]
    _closers: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def storage_clock(self) -> ServiceClock:
        """The clock by which blobs are dated."""
        return self.clocks[0]

    @property
    def batch_clock(self) -> ServiceClock:
        """The clock by which tasks and nodes change."""
        return self.clocks[2]

    async def close(self) -> None:
        for close in self._closers:
            await close()


def open_clients(settings: Settings) -> Clients:
    """Make the clients; nothing is sent yet. Must be called where an event loop runs."""
    # Made always and asked only where no key is set: it does nothing until the first token is needed.
    identity = app_identity(settings.identity_client_id)
    clocks = tuple(ServiceClock(service=name) for name in ("Blob Storage", "Table Storage", "Batch"))
    for_blobs, for_tables, for_batch = (BriefTransport(clock) for clock in clocks)
    blobs = _blob_client(settings.storage, identity, for_blobs)
    tables = _table_client(settings.storage, identity, for_tables)
    batch = _batch_client(settings.batch, identity, for_batch)
    closers: tuple[Callable[[], Awaitable[None]], ...] = (blobs.close, tables.close, batch.close, identity.close)
    queue = None
    if settings.events_queue:
        clocks = (*clocks, ServiceClock(service="Queue Storage"))
        queue = _queue(settings.storage, settings.events_queue, identity, BriefTransport(clocks[-1]))
        closers = (queue.close, *closers)
    return Clients(blobs=blobs, tables=tables, batch=batch, queue=queue, clocks=clocks, _closers=closers)


def _blob_client(
    connection: StorageConnection, identity: AsyncTokenCredential, transport: BriefTransport
) -> BlobServiceClient:
    options: dict[str, Any] = {
        "max_block_size": BLOCK_SIZE,
        "max_single_put_size": BLOCK_SIZE,
        "retry_policy": BriefBlobRetries(),
        "transport": transport,
        **_NO_REDIRECTS,
    }
    if connection.connection_string:
        return BlobServiceClient.from_connection_string(connection.connection_string, **options)
    return BlobServiceClient(connection.blob_uri, credential=identity, **options)


def _table_client(
    connection: StorageConnection, identity: AsyncTokenCredential, transport: BriefTransport
) -> TableServiceClient:
    options: dict[str, Any] = {"transport": transport, **_NO_REDIRECTS}
    if connection.connection_string:
        return _BriefTables.from_connection_string(connection.connection_string, **options)
    return _BriefTables(connection.table_uri, credential=identity, **options)


def _queue(
    connection: StorageConnection, name: str, identity: AsyncTokenCredential, transport: BriefTransport
) -> StorageQueue:
    credential: AzureNamedKeyCredential | AsyncTokenCredential = identity
    if connection.connection_string:
        credential = AzureNamedKeyCredential(*account_key_of(connection.connection_string))
    return StorageQueue(connection.queue_endpoint, name, credential, transport)


def _batch_client(account: BatchAccount, identity: AsyncTokenCredential, transport: BriefTransport) -> BatchClient:
    credential = AzureNamedKeyCredential(account.name, account.key) if account.key else identity
    options: dict[str, Any] = {"transport": transport, **_NO_REDIRECTS}
    if (cloud := cloud_of(account.endpoint)) and cloud.batch_scope:
        options["credential_scopes"] = [cloud.batch_scope]
    return BatchClient(account.endpoint, credential, retry_policy=BriefRetries(**RETRY_OPTIONS), **options)
