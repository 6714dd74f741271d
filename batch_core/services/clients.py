"""The SDK's clients, made once per process: endpoint and credential are the only difference between Azure and here.

How long a call may take is decided here alone, for all three services: `LONGEST_CALL` follows from it, and what waits
until no call can be in flight any more (`cancel.UNDER_WAY`) follows from that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.batch.aio import BatchClient
from azure.core.credentials import AccessToken, AccessTokenInfo, AzureNamedKeyCredential, TokenRequestOptions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceResponseTimeoutError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.policies._utils import parse_retry_after
from azure.data.tables.aio import TableServiceClient
from azure.data.tables.aio._policies_async import AsyncTablesRetryPolicy
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry

from batch_core.clocks import ServiceClock
from batch_core.config.accounts import BatchAccount, StorageConnection
from batch_core.config.settings import Settings
from batch_core.sdk.translation import note_answer
from batch_core.services.transport import PromptTransport

#: One block of an upload, and the most that is sent in a single call, in bytes.
BLOCK_SIZE = 4 * 1024 * 1024

#: Enough tries to pass a short throttling; what lasts longer is the next tick's business, so that no invocation hangs.
TRIES = 4
#: The longest pause between two tries, whatever the service asks for, in seconds.
LONGEST_PAUSE = 10
_BACKOFF_FACTOR = 0.5
#: For a connection, in seconds.
CONNECTION_TIMEOUT = 10
#: For the next bytes of a reply, in seconds: the services give up a request of their own accord after 30.
READ_TIMEOUT = 40
#: One try from its first byte to its last, in seconds; a reply that arrives drop by drop ends here, too.
LONGEST_TRY = CONNECTION_TIMEOUT + READ_TIMEOUT
#: What a managed identity may take to give a token, in seconds.
LONGEST_TOKEN = 30
#: A call with all its tries, the pauses between them, and a token.
LONGEST_CALL = timedelta(seconds=LONGEST_TOKEN + TRIES * LONGEST_TRY + (TRIES - 1) * LONGEST_PAUSE)

# None of the services redirects: who follows sends a signed request elsewhere, and begins to count its tries again.
_NO_REDIRECTS: dict[str, Any] = {"permit_redirects": False}

# For azure-core's policy and what the tables' SDK makes of it. Its limits for each kind of failure are as many.
_RETRIES: dict[str, Any] = {
    "retry_total": TRIES - 1,
    "retry_connect": TRIES - 1,
    "retry_read": TRIES - 1,
    "retry_status": TRIES - 1,
    "retry_backoff_factor": _BACKOFF_FACTOR,
    "retry_backoff_max": LONGEST_PAUSE,
}


@asynccontextmanager
async def within_a_try(doing: str) -> AsyncIterator[None]:
    """End what takes longer than one try may, with the SDK's own error for a reply that does not come."""
    try:
        async with asyncio.timeout(LONGEST_TRY):
            yield
    except TimeoutError as exc:
        raise ServiceResponseTimeoutError(f"{doing} was not done within {LONGEST_TRY} seconds") from exc


class BriefTransport(PromptTransport):
    """Sends requests, keeps each try short, and reads the service's clock from every reply.

    It notes that an answer has come, so that a failure to read it is distinguished from an error of this program.
    `AioHttpTransport` limits connecting and the wait for the next bytes: not the look-up of a name, nor the whole.
    """

    def __init__(self, clock: ServiceClock) -> None:
        super().__init__(connection_timeout=CONNECTION_TIMEOUT, read_timeout=READ_TIMEOUT)
        self._clock = clock

    async def send(self, request: Any, **config: Any) -> Any:  # noqa: ANN401 - old and new types of azure-core
        async with within_a_try("the request"):
            response = await super().send(request, **config)
        note_answer()
        self._clock.read(response.headers.get("Date"))
        return response


class BriefRetries(AsyncRetryPolicy[Any, Any]):
    """Tries again as the SDK does, but hands a reply that asks for a long pause to the caller at once.

    The SDK would wait as long as `Retry-After` says, within the invocation.
    """

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        asked = self.get_retry_after(response) or 0
        return asked <= LONGEST_PAUSE and super().is_retry(settings, response)


class BriefTableRetries(BriefRetries, AsyncTablesRetryPolicy):
    """The same for tables, whose SDK has a policy of its own."""


class _BriefTables(TableServiceClient):
    """The SDK takes no retry policy for tables: this puts ours in the place of its own."""

    def _configure_policies(self, **options: Any) -> list[Any]:  # noqa: ANN401 - as the SDK has it
        policies = super()._configure_policies(**options)
        ours = BriefTableRetries(**_RETRIES)  # type: ignore[no-untyped-call]
        return [ours if isinstance(policy, AsyncTablesRetryPolicy) else policy for policy in policies]


class BriefBlobRetries(ExponentialRetry):
    """The same for blobs, whose SDK has a policy of its own, with 15 seconds as its first pause."""

    def __init__(self) -> None:
        super().__init__(retry_total=TRIES - 1, retry_connect=TRIES - 1, retry_read=TRIES - 1, retry_status=TRIES - 1)

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Return the pause before the next try in seconds, as azure-core's policy does: none before the second."""
        count: int = settings["count"]
        return 0 if count <= 1 else min(_BACKOFF_FACTOR * 2 ** (count - 1), LONGEST_PAUSE)

    def increment(
        self,
        settings: dict[str, Any],
        request: Any,  # noqa: ANN401 - as the SDK has it
        response: Any = None,  # noqa: ANN401
        error: AzureError | None = None,
    ) -> bool:
        """Tell whether to try again: as azure-core's policy not without a token, nor after a long pause."""
        headers = response.headers if response is not None else {}
        asked = parse_retry_after(headers.get("Retry-After", "0"))
        is_hopeless = isinstance(error, ClientAuthenticationError) or asked > LONGEST_PAUSE
        return not is_hopeless and bool(super().increment(settings, request, response=response, error=error))


class BriefIdentity(DefaultAzureCredential):
    """Asks for tokens as `DefaultAzureCredential` does, but not for longer than `LONGEST_TOKEN`."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - as the SDK has it
        async with _within_a_token():
            return await super().get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        async with _within_a_token():
            return await super().get_token_info(*scopes, options=options)


class BriefAssignedIdentity(ManagedIdentityCredential):
    """Asks for tokens of a user-assigned identity, but not for longer than `LONGEST_TOKEN`."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - as the SDK has it
        async with _within_a_token():
            token: AccessToken = await super().get_token(*scopes, **options)
        return token

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        async with _within_a_token():
            token: AccessTokenInfo = await super().get_token_info(*scopes, options=options)
        return token


@asynccontextmanager
async def _within_a_token() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LONGEST_TOKEN):
            yield
    except TimeoutError as exc:
        # Of this kind alone the retry policies leave off at once.
        raise ClientAuthenticationError(f"the identity gave no token within {LONGEST_TOKEN} seconds") from exc


# Of a streamed reply that is an error, azure-batch 15.1.0 tries to read the body too early, and logs that as a warning
# with a traceback; `BatchService` reads it afterwards.
logging.getLogger("azure.batch._utils.model_base").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Open clients; `close` them when done. `clocks` hold what each service's replies said of the time."""

    blobs: BlobServiceClient
    tables: TableServiceClient
    batch: BatchClient
    clocks: tuple[ServiceClock, ...]
    _closers: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def storage_clock(self) -> ServiceClock:
        """The clock by which blobs are dated."""
        return self.clocks[0]

    async def close(self) -> None:
        for close in self._closers:
            await close()


def open_clients(settings: Settings) -> Clients:
    """Make the clients; nothing is sent yet. Must be called where an event loop runs."""
    # Made always and asked only where no key is set: it does nothing until the first token is needed.
    identity = _identity(settings.identity_client_id)
    clocks = tuple(ServiceClock(service=name) for name in ("Blob Storage", "Table Storage", "Batch"))
    for_blobs, for_tables, for_batch = (BriefTransport(clock) for clock in clocks)
    blobs = _blob_client(settings.storage, identity, for_blobs)
    tables = _table_client(settings.storage, identity, for_tables)
    batch = _batch_client(settings.batch, identity, for_batch)
    closers = (blobs.close, tables.close, batch.close, identity.close)
    return Clients(blobs=blobs, tables=tables, batch=batch, clocks=clocks, _closers=closers)


def _identity(client_id: str) -> BriefIdentity | BriefAssignedIdentity:
    """Return what the app is without keys: the identity that the bindings are, if the settings name one."""
    return BriefAssignedIdentity(client_id=client_id) if client_id else BriefIdentity()


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


def _batch_client(account: BatchAccount, identity: AsyncTokenCredential, transport: BriefTransport) -> BatchClient:
    credential = AzureNamedKeyCredential(account.name, account.key) if account.key else identity
    options: dict[str, Any] = {"transport": transport, **_NO_REDIRECTS}
    return BatchClient(account.endpoint, credential, retry_policy=BriefRetries(**_RETRIES), **options)
