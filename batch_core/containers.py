"""The input and the output container."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from azure.storage.blob import (
    BlobSasPermissions,
    ContentSettings,
    StorageErrorCode,
    UserDelegationKey,
    generate_blob_sas,
)
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.clients import BLOCK_SIZE
from batch_core.errors import BlobNotFound, Missing, Unavailable, translating
from batch_core.naming import BlobVersion

_DELEGATION_KEY_LIFETIME = timedelta(days=7)
_DELEGATION_KEY_RENEWAL = timedelta(hours=1)


class InputContainer:
    """The container that files are dropped into. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BlobServiceClient, name: str) -> None:
        self._client = client
        self._name = name
        self._delegation_key: UserDelegationKey | None = None
        self._delegation_key_asked = datetime.min.replace(tzinfo=UTC)

    async def version_of(self, blob_name: str) -> BlobVersion:
        """Return the blob's present version; raises `BlobNotFound`."""
        try:
            with translating(f"reading the properties of blob {blob_name!r}"):
                properties = await self._blob(blob_name).get_blob_properties()
        except Missing as exc:
            raise BlobNotFound(f"there is no blob {blob_name!r} in container {self._name!r}") from exc
        return BlobVersion(
            container=self._name,
            name=blob_name,
            etag=properties.etag,
            last_modified=properties.last_modified,
            size=properties.size,
        )

    def url(self, blob_name: str) -> str:
        """Return the blob's URL, which alone gives no access."""
        return self._blob(blob_name).url

    async def sas_url(self, blob_name: str, lifetime: timedelta) -> str:
        """Return a URL with which anybody can read this one blob for this long: a secret."""
        now = datetime.now(UTC)
        account_key = getattr(self._client.credential, "account_key", None)
        delegation_key = None if account_key else await self._user_delegation_key(now)
        expiry = now + lifetime
        if delegation_key is not None:
            expiry = min(expiry, self._delegation_key_asked + _DELEGATION_KEY_LIFETIME)
        token = generate_blob_sas(
            account_name=self._client.account_name or "",
            container_name=self._name,
            blob_name=blob_name,
            account_key=account_key,
            user_delegation_key=delegation_key,
            permission=BlobSasPermissions(read=True),
            expiry=expiry,
        )
        return f"{self.url(blob_name)}?{token}"

    async def ping(self) -> None:
        with translating(f"looking at container {self._name}"):
            await self._client.get_container_client(self._name).get_container_properties()

    async def _user_delegation_key(self, now: datetime) -> UserDelegationKey:
        # Asked for once an hour at most: every SAS of that hour is signed with the same key.
        if self._delegation_key is None or now - self._delegation_key_asked > _DELEGATION_KEY_RENEWAL:
            with translating("asking for a user delegation key"):
                self._delegation_key = await self._client.get_user_delegation_key(now, now + _DELEGATION_KEY_LIFETIME)
            self._delegation_key_asked = now
        return self._delegation_key

    def _blob(self, name: str) -> BlobClient:
        return self._client.get_blob_client(self._name, name)


class OutputContainer:
    """The container that output arrives in."""

    def __init__(self, client: BlobServiceClient, name: str) -> None:
        self._client = client
        self._name = name

    async def write(self, blob_name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write the blob, replacing an older one; it appears only when `chunks` came to its end.

        Small content goes in one call; large content in blocks, of which a few are in memory at a time.
        """
        head, rest = await _split_head(chunks, BLOCK_SIZE)
        content = head if rest is None else _chained(head, rest)
        try:
            with translating(f"writing output blob {blob_name!r}"):
                await self._client.get_blob_client(self._name, blob_name).upload_blob(
                    content, overwrite=True, content_settings=ContentSettings(content_type="text/plain")
                )
        except Missing as exc:
            if exc.code != StorageErrorCode.CONTAINER_NOT_FOUND:
                raise
            # Not the output is missing, but the place for it.
            detail = "the output container does not exist: `python -m batch_core setup` makes it"
            raise Unavailable(exc.action, status=exc.status, code=exc.code, detail=detail) from exc

    async def ping(self) -> None:
        with translating(f"looking at container {self._name}"):
            await self._client.get_container_client(self._name).get_container_properties()


async def _split_head(chunks: AsyncIterator[bytes], size: int) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return the first bytes, and what is left if there is more than `size` of them."""
    head = bytearray()
    async for chunk in chunks:
        head += chunk
        if len(head) > size:
            return bytes(head), chunks
    return bytes(head), None


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk
