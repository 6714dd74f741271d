"""The container that output arrives in: whole blobs, and blobs made of blocks that are staged one by one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from azure.storage.blob import BlobBlock, BlobProperties, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.errors import Missing, Unavailable
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.services.blob_access import blob_client, blob_properties
from batch_core.services.blob_parts import blob_part, etag_of
from batch_core.services.input_blob import is_folder_marker
from batch_core.services.output_values import MOST_FILES, Extent, FilePage, FilePart, ListedFile
from batch_core.services.signing import Signer

_TEXT: Final = ContentSettings(content_type="text/plain")


class OutputContainer:
    """The container that output arrives in. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BlobServiceClient, name: str, signer: Signer) -> None:
        self._client = client
        self._name = name
        self._signer = signer

    @property
    def url(self) -> str:
        """The container's URL, which alone gives no access."""
        return self._client.get_container_client(self._name).url

    async def upload_url(self, lifetime: timedelta) -> str:
        """Return a URL with which anybody can create and write blobs here for at least this long: a secret."""
        return f"{self.url}?{await self._signer.adding(self._name, lifetime)}"

    async def write(self, blob_name: str, content: bytes) -> None:
        """Write the blob in one call, replacing an older one."""
        with self._writing(blob_name):
            _check_written(await self._blob(blob_name).upload_blob(content, overwrite=True, content_settings=_TEXT))

    async def size_of(self, blob_name: str) -> int | None:
        """Return a blob's size in bytes, None if it does not exist: one that exists is whole."""
        try:
            with translating(f"looking for output blob {blob_name!r}"):
                return int((await blob_properties(self._blob(blob_name))).size)
        except Missing:
            return None

    async def read(self, blob_name: str, extent: Extent) -> FilePart:
        """Return a part of a blob: one call, two for the last bytes, and where there is nothing to return.

        Raises `Missing` if there is no such blob.
        """
        blob = self._blob(blob_name)
        with translating(f"reading output blob {blob_name!r}"):
            if extent.start is not None and (part := await blob_part(blob, extent.start, extent.most)):
                return part
            properties = await blob_properties(blob)
            start = extent.start_in(properties.size)
            if start < properties.size and (part := await blob_part(blob, start, extent.most)):
                return part
            return FilePart(start=start, content=b"", size=properties.size, etag=etag_of(properties))

    async def list_page(self, folder: str, continuation: str | None) -> FilePage:
        """List up to 1,000 blobs of a folder (its name ends in a slash) from where another page ended: one call.

        Raises `Refused` if the service does not know the continuation.
        """
        with translating(f"listing outputs in {folder!r}"):
            container = self._client.get_container_client(self._name)
            listed = container.list_blobs(folder, include=["metadata"], results_per_page=MOST_FILES)
            pages = listed.by_page(continuation_token=continuation)
            found = [blob async for blob in await anext(pages)]
            if not all(blob.name.startswith(folder) for blob in found):
                raise ValueError("it lists what is in another folder")
            # Accounts with a hierarchical namespace list folders, too.
            files = [_listed(blob, folder) for blob in found if not is_folder_marker(blob)]
            return FilePage(files=files, continuation=getattr(pages, "continuation_token", None) or None)

    async def has_any(self, folder: str) -> bool:
        """Return whether a blob's name begins with this folder's."""
        with translating(f"looking for outputs in {folder!r}"):
            container = self._client.get_container_client(self._name)
            return bool([name async for name in each_item(container.list_blobs(folder, results_per_page=1))])

    async def delete(self, blob_name: str) -> bool:
        """Delete the blob; False if it does not exist. Raises `Conflict` for one that is leased or kept by a policy."""
        try:
            with translating(f"deleting output blob {blob_name!r}"):
                await self._blob(blob_name).delete_blob(delete_snapshots="include")
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
            detail = "the output container does not exist: `batchdrop setup` makes it"
            raise Unavailable(exc.action, status=exc.status, code=exc.code, detail=detail) from exc

    def _blob(self, name: str) -> BlobClient:
        return blob_client(self._client, self._name, name)


def _listed(properties: BlobProperties, folder: str) -> ListedFile:
    return ListedFile(name=properties.name.removeprefix(folder), size=int(properties.size))


def _check_written(answer: Mapping[str, object]) -> None:
    if not answer.get("etag"):
        raise ValueError("it does not name the ETag that was written")
