"""The input and the output container."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.storage.blob import (
    BlobBlock,
    BlobProperties,
    BlobSasPermissions,
    ContentSettings,
    UserDelegationKey,
    generate_blob_sas,
)
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.errors import BlobNotFound, Missing, NotNow, Unavailable, translating
from batch_core.naming import BlobVersion

#: https://learn.microsoft.com/rest/api/storageservices/list-blobs
MAX_BLOBS_PER_PAGE = 5000

_TEXT = ContentSettings(content_type="text/plain")
_DELEGATION_KEY_LIFETIME = timedelta(days=7)
_DELEGATION_KEY_RENEWAL = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class ListedPage:
    """A page of the input container: files, files that are still being copied there, and where the next page begins."""

    versions: list[BlobVersion]
    pending: list[BlobVersion]
    continuation: str | None


class InputContainer:
    """The container that files are dropped into. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BlobServiceClient, name: str) -> None:
        self._client = client
        self._name = name
        self._delegation_key: UserDelegationKey | None = None
        self._delegation_key_asked = datetime.min.replace(tzinfo=UTC)

    async def version_of(self, blob_name: str) -> BlobVersion:
        """Return the blob's present version; raises `BlobNotFound`, and `NotNow` while it is being copied there."""
        if _is_ambiguous(blob_name) and not await self._is_listed(blob_name):
            raise BlobNotFound(f"there is no blob {blob_name!r} in container {self._name!r}")
        try:
            with translating(f"reading the properties of blob {blob_name!r}"):
                properties = await _properties(self._blob(blob_name))
                version = self._version(properties)
        except Missing as exc:
            raise BlobNotFound(f"there is no blob {blob_name!r} in container {self._name!r}") from exc
        if properties.copy.status == "pending":
            raise NotNow(f"blob {blob_name!r} is still being copied: it can be submitted when it is whole")
        return version

    async def _is_listed(self, blob_name: str) -> bool:
        with translating(f"looking for blob {blob_name!r}"):
            container = self._client.get_container_client(self._name)
            # The blob of this very name comes first.
            listed = container.list_blob_names(name_starts_with=blob_name, results_per_page=1)
            return await anext(aiter(listed), None) == blob_name

    def url(self, blob_name: str) -> str:
        """Return the blob's URL, which alone gives no access."""
        return self._blob(blob_name).url

    async def list_page(self, continuation: str | None) -> ListedPage:
        """List up to 5,000 blobs from where another page ended."""
        with translating(f"listing container {self._name}"):
            container = self._client.get_container_client(self._name)
            pages = container.list_blobs(include=["copy"], results_per_page=MAX_BLOBS_PER_PAGE)
            paged = pages.by_page(continuation_token=continuation)
            blobs = [blob async for blob in await anext(paged)]
            return ListedPage(
                versions=[self._version(blob) for blob in blobs if blob.copy.status != "pending"],
                pending=[self._version(blob) for blob in blobs if blob.copy.status == "pending"],
                continuation=getattr(paged, "continuation_token", None) or None,
            )

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

    def _version(self, properties: BlobProperties) -> BlobVersion:
        return BlobVersion(
            container=self._name,
            name=properties.name,
            etag=properties.etag.strip('"'),
            last_modified=properties.last_modified,
            size=properties.size,
        )

    def _blob(self, name: str) -> BlobClient:
        return self._client.get_blob_client(self._name, name)


async def _properties(blob: BlobClient) -> BlobProperties:
    """Ask for a blob's properties; raises `ValueError` if the answer is not about a blob."""
    properties = await blob.get_blob_properties()
    # Every blob has a type (https://learn.microsoft.com/rest/api/storageservices/get-blob-properties); a page of
    # whatever answers in the service's place has not.
    if properties.blob_type is None or properties.etag is None:
        raise ValueError("it has none of the headers of a blob")
    return properties


def _check_written(answer: Mapping[str, object]) -> None:
    if not answer.get("etag"):
        raise ValueError("it does not name the ETag that was written")


def _is_ambiguous(blob_name: str) -> bool:
    """Tell whether the name may lead elsewhere in a URL, where `a/../b` is `b` and a backslash may be a slash."""
    return "\\" in blob_name or not {".", ".."}.isdisjoint(blob_name.split("/"))


class OutputContainer:
    """The container that output arrives in. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BlobServiceClient, name: str) -> None:
        self._client = client
        self._name = name

    async def write(self, blob_name: str, content: bytes) -> None:
        """Write the blob in one call, replacing an older one."""
        with self._writing(blob_name):
            _check_written(await self._blob(blob_name).upload_blob(content, overwrite=True, content_settings=_TEXT))

    async def has(self, blob_name: str) -> bool:
        """Tell whether the blob is there, which means that it is whole."""
        try:
            with translating(f"looking for output blob {blob_name!r}"):
                await _properties(self._blob(blob_name))
        except Missing:
            return False
        return True

    async def blocks_of(self, blob_name: str) -> set[str]:
        """Return the ids of the blocks that a commit can use: those that wait for one, and those of the blob itself."""
        try:
            with translating(f"looking for blocks of output blob {blob_name!r}"):
                committed, staged = await self._blob(blob_name).get_block_list("all")
        except Missing:
            return set()
        return {block.id for block in [*committed, *staged]}

    async def stage(self, blob_name: str, block_id: str, content: bytes) -> None:
        with self._writing(blob_name):
            await self._blob(blob_name).stage_block(block_id, content)

    async def commit(self, blob_name: str, block_ids: Sequence[str]) -> None:
        """Let the blob appear, made of these blocks."""
        with self._writing(blob_name):
            blocks = [BlobBlock(block_id=block_id) for block_id in block_ids]
            _check_written(await self._blob(blob_name).commit_block_list(blocks, content_settings=_TEXT))

    async def ping(self) -> None:
        with translating(f"looking at container {self._name}"):
            await self._client.get_container_client(self._name).get_container_properties()

    @contextmanager
    def _writing(self, blob_name: str) -> Iterator[None]:
        try:
            with translating(f"writing output blob {blob_name!r}"):
                yield
        except Missing as exc:
            # Not the output is missing, but the place for it.
            detail = "the output container does not exist: `python -m batch_core setup` makes it"
            raise Unavailable(exc.action, status=exc.status, code=exc.code, detail=detail) from exc

    def _blob(self, name: str) -> BlobClient:
        return self._client.get_blob_client(self._name, name)
