"""Receipts: which blob versions have been put in the queue already.

A receipt is an empty blob in the host's own container, named after host, function, ETag and blob.
With the metadata `Incomplete` it only says that a host began to. The names are those of the real
host, so neither host repeats what the other did.
"""

from collections.abc import Iterable

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from local.host.blob_message import BlobMessage

_INCOMPLETE = "Incomplete"
_REMEMBERED = 200_000


class Receipts:
    """The receipts of one function, those of existing blobs remembered in memory."""

    def __init__(self, hosts_container: ContainerClient, host_id: str, function: str) -> None:
        self._container = hosts_container
        self._folder = f"blobreceipts/{host_id}/{function}/"
        self._known: set[str] = set()
        self._overflowed = False

    async def load(self) -> None:
        """Read which receipts there are; call once, before `has`."""
        async for receipt in self._container.list_blobs(name_starts_with=self._folder, include=["metadata"]):
            if _is_complete(receipt):
                self._remember(receipt.name.removeprefix(self._folder))

    async def has(self, message: BlobMessage) -> bool:
        """Tell whether this blob version was put in the queue already; mostly without a call."""
        key = _key(message)
        if key in self._known:
            return True
        if not self._overflowed or not await self._is_stored(key):
            return False
        self._remember(key)
        return True

    async def add(self, message: BlobMessage) -> None:
        """Write the receipt, after the message is in the queue: rather twice than never."""
        key = _key(message)
        await self._container.upload_blob(self._folder + key, b"", overwrite=True)
        self._remember(key)

    def keep_only(self, messages: Iterable[BlobMessage]) -> None:
        """Forget the receipts of blob versions that are gone: their ETags never come back."""
        self._known.intersection_update(map(_key, messages))

    def _remember(self, key: str) -> None:
        if len(self._known) < _REMEMBERED:
            self._known.add(key)
        else:
            self._overflowed = True

    async def _is_stored(self, key: str) -> bool:
        try:
            receipt = await self._container.get_blob_client(self._folder + key).get_blob_properties()
        except ResourceNotFoundError:
            return False
        return _is_complete(receipt)


def _key(message: BlobMessage) -> str:
    return f"{message.etag}/{message.container}/{message.blob}"


def _is_complete(receipt: BlobProperties) -> bool:
    return _INCOMPLETE not in (receipt.metadata or {})
