"""Receipts: which blob versions have been put in the queue already.

A receipt is an empty blob in the host's own container, named after host, function, ETag and blob.
With the metadata `Incomplete` it only says that a host began to. The names are those of the real
host, so neither host repeats what the other did.
"""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import ContainerClient

from local.host.blobs.message import BlobMessage
from local.host.blobs.names import without_dot_segments

logger = logging.getLogger(__name__)

_INCOMPLETE: Final = "Incomplete"
_REMEMBERED: Final = 200_000


class Receipts:
    """The receipts of one function, those of existing blobs remembered in memory."""

    def __init__(self, hosts_container: ContainerClient, host_id: str, function: str) -> None:
        self._container = hosts_container
        self._folder = f"blobreceipts/{host_id}/{function}/"
        self._known: set[str] = set()
        self._overflowed = False
        self._owed: set[str] = set()

    async def load(self) -> None:
        """Read which receipts there are; call once, before `has`."""
        async for receipt in self._container.list_blobs(name_starts_with=self._folder, include=["metadata"]):
            if _is_complete(receipt):
                self._remember(receipt.name.removeprefix(self._folder))

    async def has(self, message: BlobMessage) -> bool:
        """Return whether this blob version was put in the queue already; mostly without a call."""
        key = _key(message)
        if key in self._known:
            return True
        if not self._overflowed or not await self._is_stored(key):
            return False
        self._remember(key)
        return True

    def is_owed(self, message: BlobMessage) -> bool:
        """Return whether the message is in the queue and only its receipt is missing."""
        return _key(message) in self._owed

    async def add(self, message: BlobMessage) -> None:
        """Write the receipt, after the message is in the queue: rather twice than never.

        One that Storage will never take is logged once: the blob is not put in the queue again before this host ends.
        """
        key = _key(message)
        self._owed.add(key)
        try:
            await self._container.upload_blob(self._folder + key, b"", overwrite=True)
        except HttpResponseError as exc:
            if exc.status_code != HTTPStatus.BAD_REQUEST:
                raise
            logger.warning("Storage takes no receipt for blob %r; the real host stops there: %s", message.blob, exc)
        self._owed.discard(key)
        self._remember(key)

    def keep_only(self, messages: Iterable[BlobMessage]) -> None:
        """Forget the receipts of blob versions that are gone: their ETags never come back."""
        present = set(map(_key, messages))
        self._known &= present
        self._owed &= present

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
    return f"{message.etag}/{message.container}/{without_dot_segments(message.blob)}"


def _is_complete(receipt: BlobProperties) -> bool:
    return _INCOMPLETE not in (receipt.metadata or {})
