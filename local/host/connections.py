"""Storage clients for connection names, as the real host finds them in app settings.

A connection `X` is the setting `X` (a connection string), or a URL in `X__blobServiceUri`,
`X__queueServiceUri` or `X__serviceUri`, or an account in `X__accountName`; a URL is used with the identity that
`X__credential` (`managedidentity`) and `X__clientId` name, else with DefaultAzureCredential. Settings that begin with
`AzureWebJobs` before `X` win: `GetWebJobsConnectionStringSection` of https://github.com/Azure/azure-webjobs-sdk.
https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final
from urllib.request import getproxies

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from batch_core.config.storage_connection import ConnectionStringError, parse_connection_string
from local.host.errors import BindingError

#: The connection in which a host keeps its own state.
HOST_STORAGE: Final = "AzureWebJobsStorage"

_DEFAULT: Final = "default"


class Connections:
    """Service clients, one for each connection; use as an async context manager."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._opened = AsyncExitStack()
        self._blobs: dict[str, BlobServiceClient] = {}
        self._queues: dict[str, QueueServiceClient] = {}
        self._credentials: dict[str | None, AsyncTokenCredential] = {}

    async def __aenter__(self) -> "Connections":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def blobs(self, connection: str) -> BlobServiceClient:
        """Return the client of a connection's Blob service; raise BindingError."""
        if connection not in self._blobs:
            client = self._open_blobs(connection)
            self._blobs[connection] = await self._opened.enter_async_context(client)
        return self._blobs[connection]

    async def queues(self, connection: str) -> QueueServiceClient:
        """Return the client of a connection's Queue service; raise BindingError."""
        if connection not in self._queues:
            client = self._open_queues(connection)
            self._queues[connection] = await self._opened.enter_async_context(client)
        return self._queues[connection]

    def _open_blobs(self, name: str) -> BlobServiceClient:
        connection = self._section(name)
        if text := self._connection_string(connection):
            return BlobServiceClient.from_connection_string(text, transport=_transport())
        return BlobServiceClient(
            self._url(connection, "blob"), credential=self._identity(connection), transport=_transport()
        )

    def _open_queues(self, name: str) -> QueueServiceClient:
        connection = self._section(name)
        if text := self._connection_string(connection):
            return QueueServiceClient.from_connection_string(text, transport=_transport())
        return QueueServiceClient(
            self._url(connection, "queue"), credential=self._identity(connection), transport=_transport()
        )

    def _section(self, name: str) -> str:
        prefixed = f"AzureWebJobs{name}"
        is_set = any(key == prefixed or key.startswith(f"{prefixed}__") for key in self._settings)
        return prefixed if is_set else name

    def _connection_string(self, connection: str) -> str:
        text = self._settings.get(connection, "")
        try:
            return parse_connection_string(text) if text else ""
        except ConnectionStringError as exc:
            raise BindingError(f"the app setting {connection} is no connection string that can be used: {exc}") from exc

    def _url(self, connection: str, service: str) -> str:
        for name in (f"{connection}__{service}ServiceUri", f"{connection}__serviceUri"):
            if url := self._settings.get(name):
                return url
        if account := self._settings.get(f"{connection}__accountName"):
            return f"https://{account}.{service}.core.windows.net"
        raise BindingError(
            f"the connection {connection!r} is not set: neither {connection} nor"
            f" {connection}__{service}ServiceUri is among the app settings"
        )

    def _identity(self, connection: str) -> AsyncTokenCredential:
        """Return the connection's credential, as `CreateCredential` of the .NET SDK's ClientFactory.cs chooses it."""
        is_managed = self._settings.get(f"{connection}__credential", "").strip().lower() == "managedidentity"
        client_id = self._settings.get(f"{connection}__clientId", "").strip() or None
        key = client_id if is_managed else _DEFAULT
        if key not in self._credentials:
            credential = ManagedIdentityCredential(client_id=client_id) if is_managed else DefaultAzureCredential()
            self._opened.push_async_callback(credential.close)
            self._credentials[key] = credential
        return self._credentials[key]


def _transport() -> AioHttpTransport:
    """Return what sends as the SDK does, but asks the environment for a proxy once, and not with each request."""
    return AioHttpTransport(use_env_settings=not {"http", "https"}.isdisjoint(getproxies()))
