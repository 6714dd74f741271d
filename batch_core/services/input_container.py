"""The container that files are dropped into: its listing, versions of its blobs, and URLs that nodes read them by."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from azure.core import MatchConditions
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.errors import BlobNotFound, Conflict, InputRefused, Missing, NotAFile, NotNow, ServiceError
from batch_core.naming import BlobVersion, fits_receipt, folder_of, has_dot_segment, is_ambiguous
from batch_core.obstacle import Obstacle
from batch_core.sdk.paging import each_page
from batch_core.sdk.service_codes import IMPOSSIBLE_NAME
from batch_core.sdk.translation import translating
from batch_core.services.blob_access import blob_client, blob_properties
from batch_core.services.signing import Signer

logger = logging.getLogger(__name__)

#: Storage lists up to 5,000 in a call (https://learn.microsoft.com/rest/api/storageservices/list-blobs). In the SDK's
#: hands a blob takes 8 kB, and those of two pages are there at the same time.
MAX_BLOBS_PER_PAGE: Final = 1000
#: Of a folder that is one task's input: what is listed of it, and the resource files that Batch is given, which are all
#: in the request that adds the task.
MAX_FOLDER_ENTRIES: Final = 50_000
MAX_FOLDER_PREFIXES: Final = 100

#: Beside what a listing always includes: costs no further call, and no bytes but for blobs that have it.
_INCLUDED: Final = ["copy", "metadata"]
#: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_CUSTOMER_KEY: Final = "BlobUsesCustomerSpecifiedEncryption"


@dataclass(frozen=True, kw_only=True)
class ListedPage:
    """A page of the input container: files, files that are still being copied there, and where the next page begins.

    Markers of folders are not among them. `long_name` is a listed name that the host's receipt cannot hold.
    """

    versions: list[BlobVersion]
    pending: list[BlobVersion]
    long_name: str | None
    continuation: str | None


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A blob of the input container, which may be no file, or not yet."""

    version: BlobVersion
    is_folder: bool
    is_pending: bool


class InputContainer:
    """The container that files are dropped into. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BlobServiceClient, name: str, signer: Signer) -> None:
        self._client = client
        self._name = name
        self._signer = signer

    async def version_of(self, blob_name: str) -> BlobVersion:
        """Return the blob's present version.

        Raises `BlobNotFound`, `NotAFile` for the marker of a folder, and `NotNow` while it is being copied there.
        """
        found = await self._find(blob_name)
        if found.is_folder:
            raise NotAFile(f"blob {blob_name!r} marks a folder: name a file in it")
        if found.is_pending:
            raise NotNow(f"blob {blob_name!r} is still being copied: it can be submitted when it is whole")
        return found.version

    async def _find(self, blob_name: str) -> _Found:
        # A URL with such a name may lead to another blob.
        listed = await self._listed(blob_name) if is_ambiguous(blob_name) else None
        if listed is not None and has_dot_segment(blob_name):
            return listed
        try:
            with translating(f"reading the properties of blob {blob_name!r}"):
                return self._found(await blob_properties(self._blob(blob_name)))
        except Missing as exc:
            raise self._not_found(blob_name) from exc
        except ServiceError as exc:
            if exc.code == _CUSTOMER_KEY or exc.code in IMPOSSIBLE_NAME:
                return await self._listed_after(exc, blob_name)
            raise

    async def _listed_after(self, error: ServiceError, blob_name: str) -> _Found:
        """Look a blob up in the listing whose properties cannot be read; raises the error unless that explains it."""
        listed = await self._listed(blob_name)
        if listed.version.obstacle is Obstacle.CUSTOMER_KEY:
            return listed
        raise error

    async def _listed(self, blob_name: str) -> _Found:
        """Look the blob of this very name up in the listing; raises `BlobNotFound`."""
        with translating(f"looking for blob {blob_name!r}"):
            container = self._client.get_container_client(self._name)
            # It comes before all others that begin like it.
            blobs = container.list_blobs(name_starts_with=blob_name, include=_INCLUDED, results_per_page=1)
            first = await anext(aiter(blobs), None)
            listed = None if first is None else self._found(first)
        if listed is None or listed.version.name != blob_name:
            raise self._not_found(blob_name)
        return listed

    def _not_found(self, blob_name: str) -> BlobNotFound:
        return BlobNotFound(f"there is no blob {blob_name!r} in container {self._name!r}")

    def url(self, blob_name: str) -> str:
        """Return the blob's URL, which alone gives no access; raises `Refused` where it would be another's."""
        return self._blob(blob_name).url

    async def list_page(self, continuation: str | None) -> ListedPage:
        """List up to 1,000 blobs from where another page ended."""
        with translating(f"listing container {self._name}"):
            container = self._client.get_container_client(self._name)
            pages = container.list_blobs(include=_INCLUDED, results_per_page=MAX_BLOBS_PER_PAGE)
            paged = pages.by_page(continuation_token=continuation)
            found = [self._found(blob) async for blob in await anext(paged)]
            if continuation and getattr(paged, "continuation_token", None) == continuation:
                raise ValueError("the listing leads back to the same page")
            files = [one for one in found if not one.is_folder]
            names = (one.version.name for one in found)
            return ListedPage(
                versions=[one.version for one in files if not one.is_pending],
                pending=[one.version for one in files if one.is_pending],
                long_name=next((name for name in names if not fits_receipt(self._name, name)), None),
                continuation=getattr(paged, "continuation_token", None) or None,
            )

    async def sas_url(self, blob_name: str, lifetime: timedelta) -> str:
        """Return a URL with which anybody can read this one blob for at least this long: a secret."""
        return f"{self.url(blob_name)}?{await self._signer.reading(self._name, blob_name, lifetime)}"

    @property
    def container_url(self) -> str:
        """The container's URL, which alone gives no access."""
        return self._client.get_container_client(self._name).url

    async def container_sas_url(self, lifetime: timedelta) -> str:
        """Return a URL with which anybody can list and read this container for at least this long: a secret."""
        return f"{self.container_url}?{await self._signer.reading_all(self._name, lifetime)}"

    async def prefixes_beside(self, marker: str) -> list[str]:
        """Return prefixes of names that, together, all blobs of the marker's folder have and the marker has not.

        One call for each 1,000 blobs and folders that lie directly beside it. Raises `InputRefused` if there are none,
        or no such prefixes.
        """
        with translating(f"listing the folder of blob {marker!r}"):
            container = self._client.get_container_client(self._name)
            listed = container.walk_blobs(name_starts_with=folder_of(marker), results_per_page=MAX_BLOBS_PER_PAGE)
            names: list[str] = []
            async for page in each_page(listed):
                names += [str(entry.name) for entry in page]
                if len(names) > MAX_FOLDER_ENTRIES:
                    break
        return _prefixes(marker, names)

    async def delete(self, blob_name: str, etag: str) -> bool:
        """Delete this version of a blob; False if it has changed since, is gone, or has snapshots, which stay."""
        try:
            with translating(f"deleting blob {blob_name!r}"):
                await self._blob(blob_name).delete_blob(etag=f'"{etag}"', match_condition=MatchConditions.IfNotModified)
        except (Conflict, Missing) as exc:
            logger.warning("Blob %r has succeeded and is not deleted: %s", blob_name, exc)
            return False
        return True

    async def ping(self) -> None:
        with translating(f"looking at container {self._name}"):
            await self._client.get_container_client(self._name).get_container_properties()

    def _found(self, properties: BlobProperties) -> _Found:
        is_pending = properties.copy.status == "pending"
        return _Found(version=self._version(properties), is_folder=is_folder_marker(properties), is_pending=is_pending)

    def _version(self, properties: BlobProperties) -> BlobVersion:
        return BlobVersion(
            container=self._name,
            name=properties.name,
            etag=properties.etag.strip('"'),
            last_modified=properties.last_modified,
            size=properties.size,
            obstacle=obstacle_of(properties),
            metadata=tuple(sorted((str(name), str(value)) for name, value in (properties.metadata or {}).items())),
        )

    def _blob(self, name: str) -> BlobClient:
        return blob_client(self._client, self._name, name)


def _prefixes(marker: str, names: Sequence[str]) -> list[str]:
    # Tools write an empty blob of a folder's own name, to have the folder.
    others = [name for name in names if name not in {marker, folder_of(marker)}]
    folder = f"folder {folder_of(marker)!r}" if folder_of(marker) else "the container"
    if not others:
        raise InputRefused(f"{folder} has no file beside its marker: write the marker last, when its files are there")
    if len(names) > MAX_FOLDER_ENTRIES:
        raise InputRefused(f"{folder} has more than {MAX_FOLDER_ENTRIES:,} entries: put its files into folders in it")
    if short := next((name for name in others if marker.startswith(name)), None):
        raise InputRefused(f"its marker's name begins like {short!r}, which cannot be had without it: rename either")
    prefixes = sorted({name[: _shared(name, marker) + 1] for name in others})
    if len(prefixes) > MAX_FOLDER_PREFIXES:
        raise InputRefused(
            f"the names in {folder} begin in more than {MAX_FOLDER_PREFIXES} ways: put its files into one folder in it"
        )
    return prefixes


def _shared(text: str, other: str) -> int:
    """Return how many letters two texts have in common at their beginning."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((place for place, (one, two) in pairs if one != two), min(len(text), len(other)))


def obstacle_of(properties: BlobProperties) -> Obstacle | None:
    """Return what keeps a blob from being read, as far as its properties show."""
    is_archived = properties.blob_tier == "Archive"
    is_broken = properties.copy.status in {"failed", "aborted"} and properties.size == 0
    obstacles = [
        (has_dot_segment(properties.name), Obstacle.NAME),
        (properties.encryption_key_sha256, Obstacle.CUSTOMER_KEY),
        (properties.copy.incremental_copy, Obstacle.INCREMENTAL_COPY),
        (is_broken, Obstacle.BROKEN_COPY),
        (is_archived and properties.archive_status, Obstacle.REHYDRATING),
        (is_archived, Obstacle.ARCHIVED),
    ]
    return next((obstacle for is_so, obstacle in obstacles if is_so), None)


def is_folder_marker(properties: BlobProperties) -> bool:
    """Return whether the blob marks a folder, as those of accounts with a hierarchical namespace do.

    https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-known-issues#blob-apis
    """
    metadata = {name.lower(): value for name, value in (properties.metadata or {}).items()}
    return properties.size == 0 and str(metadata.get("hdi_isfolder")).lower() == "true"
