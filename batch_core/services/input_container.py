"""The container that files are dropped into: versions of its blobs, and URLs that nodes read them by."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from azure.core import MatchConditions
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.errors import BlobNotFound, Conflict, InputRefused, Missing, NotAFile, NotNow, ServiceError
from batch_core.naming import BlobVersion, folder_of, has_dot_segment, is_ambiguous
from batch_core.obstacle import Obstacle
from batch_core.sdk.paging import each_page
from batch_core.sdk.service_codes import IMPOSSIBLE_NAME
from batch_core.sdk.translation import translating
from batch_core.services.blob_access import blob_client, blob_properties
from batch_core.services.input_blob import InputBlob, as_input_blob
from batch_core.services.input_listing import INCLUDED, MAX_BLOBS_PER_PAGE, InputListing
from batch_core.services.signing import Signer

logger = logging.getLogger(__name__)

#: Of a folder that is one task's input: what is listed of it, and the resource files that Batch is given, which are all
#: in the request that adds the task.
MAX_FOLDER_ENTRIES: Final = 50_000
MAX_FOLDER_PREFIXES: Final = 100

#: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_CUSTOMER_KEY: Final = "BlobUsesCustomerSpecifiedEncryption"


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

    async def _find(self, blob_name: str) -> InputBlob:
        # A URL with such a name may lead to another blob.
        listed = await self._listed(blob_name) if is_ambiguous(blob_name) else None
        if listed is not None and has_dot_segment(blob_name):
            return listed
        try:
            with translating(f"reading the properties of blob {blob_name!r}"):
                return as_input_blob(await blob_properties(self._blob(blob_name)), self._name)
        except Missing as exc:
            raise self._not_found(blob_name) from exc
        except ServiceError as exc:
            if exc.code == _CUSTOMER_KEY or exc.code in IMPOSSIBLE_NAME:
                return await self._listed_after(exc, blob_name)
            raise

    async def _listed_after(self, error: ServiceError, blob_name: str) -> InputBlob:
        """Look a blob up in the listing whose properties cannot be read; raises the error unless that explains it."""
        listed = await self._listed(blob_name)
        if listed.version.obstacle is Obstacle.CUSTOMER_KEY:
            return listed
        raise error

    async def _listed(self, blob_name: str) -> InputBlob:
        """Look the blob of this very name up in the listing; raises `BlobNotFound`."""
        with translating(f"looking for blob {blob_name!r}"):
            container = self._client.get_container_client(self._name)
            # It comes before all others that begin like it.
            blobs = container.list_blobs(name_starts_with=blob_name, include=INCLUDED, results_per_page=1)
            first = await anext(aiter(blobs), None)
            listed = None if first is None else as_input_blob(first, self._name)
        if listed is None or listed.version.name != blob_name:
            raise self._not_found(blob_name)
        return listed

    def _not_found(self, blob_name: str) -> BlobNotFound:
        return BlobNotFound(f"there is no blob {blob_name!r} in container {self._name!r}")

    def url(self, blob_name: str) -> str:
        """Return the blob's URL, which alone gives no access; raises `Refused` where it would be another's."""
        return self._blob(blob_name).url

    def listing(self, continuation: str | None) -> InputListing:
        """List from where a page ended, or from the beginning; no call is made yet."""
        return InputListing(self._client.get_container_client(self._name), continuation)

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
