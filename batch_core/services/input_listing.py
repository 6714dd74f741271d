"""The listing of the input container, page by page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from batch_core.naming import BlobVersion, fits_receipt
from batch_core.sdk.translation import translating
from batch_core.services.input_blob import InputBlob, as_input_blob

#: Storage lists up to 5,000 in a call (https://learn.microsoft.com/rest/api/storageservices/list-blobs). In the SDK's
#: hands a blob takes 8 kB, and those of two pages are there at the same time.
MAX_BLOBS_PER_PAGE: Final = 1000
#: Beside what a listing always includes: costs no further call, and no bytes but for blobs that have it.
INCLUDED: Final = ["copy", "metadata"]


@dataclass(frozen=True, kw_only=True)
class ListedPage:
    """A page of the input container: files, files that are still being copied there, and where the next page begins.

    Markers of folders are not among them. `long_name` is a listed name that the host's receipt cannot hold.
    """

    versions: list[BlobVersion]
    pending: list[BlobVersion]
    long_name: str | None
    continuation: str | None


class InputListing:
    """Pages of the container, from where one ended; methods raise the `ServiceError` that fits.

    All pages of a listing come from one pager: the SDK's holds itself and its last page, so that one for each page
    would leave them to the garbage collector, which lets some twenty of them gather (70 MiB).
    """

    def __init__(self, container: ContainerClient, continuation: str | None) -> None:
        self._container = container
        self._pages = self._from(continuation)

    def start_again(self) -> None:
        self._pages = self._from(None)

    async def next_page(self) -> ListedPage:
        """List up to 1,000 blobs; raises `StopAsyncIteration` after the page without a continuation."""
        name = self._container.container_name
        with translating(f"listing container {name}"):
            found = [as_input_blob(blob, name) async for blob in await anext(self._pages)]
            return _page(found, getattr(self._pages, "continuation_token", None) or None, name)

    def _from(self, continuation: str | None) -> AsyncIterator[AsyncIterator[BlobProperties]]:
        listed = self._container.list_blobs(include=INCLUDED, results_per_page=MAX_BLOBS_PER_PAGE)
        return listed.by_page(continuation_token=continuation)


def _page(found: Sequence[InputBlob], continuation: str | None, container: str) -> ListedPage:
    files = [one for one in found if not one.is_folder]
    names = (one.version.name for one in found)
    return ListedPage(
        versions=[one.version for one in files if not one.is_pending],
        pending=[one.version for one in files if one.is_pending],
        long_name=next((name for name in names if not fits_receipt(container, name)), None),
        continuation=continuation,
    )
