"""Lists the blobs of a storage container by its URL, which may carry a SAS token."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
from yarl import URL

_PAGE: Final = 5000
_FOLDER_MARK: Final = "hdi_isfolder"


class ListingError(Exception):
    """The container cannot be listed; `status` is the HTTP status, 0 for none."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def blob_address(container_url: str, name: str) -> str:
    """Return the URL of a blob, with the container's SAS token."""
    parts = urlsplit(container_url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}").geturl()


def without_query(url: str) -> str:
    """Drop the query, which may be a SAS token."""
    return url.partition("?")[0]


@dataclass(frozen=True, kw_only=True)
class ListedBlob:
    """A blob of a container; one that only marks a folder has no content."""

    name: str
    is_folder: bool


async def list_blobs(session: aiohttp.ClientSession, container_url: str, prefix: str) -> AsyncIterator[ListedBlob]:
    """Yield the blobs whose names begin with the prefix. Raises ListingError.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs
    """
    marker: str | None = ""
    while marker is not None:
        page = await _page(session, _listing_address(container_url, prefix, marker))
        for blob in page.iterfind("./Blobs/Blob"):
            name = blob.findtext("Name") or ""
            yield ListedBlob(name=name, is_folder=name.endswith("/") or _marks_folder(blob))
        marker = page.findtext("./NextMarker") or None


def _marks_folder(blob: ET.Element) -> bool:
    """Return whether a blob marks a directory: in accounts with a hierarchical namespace, or made by their tools.

    https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-introduction
    """
    if (blob.findtext("Properties/ResourceType") or "").lower() == "directory":
        return True
    marks = (entry.text or "" for entry in blob.iterfind("Metadata/*") if entry.tag.lower() == _FOLDER_MARK)
    return any(mark.lower() == "true" for mark in marks)


def _listing_address(container_url: str, prefix: str, marker: str) -> str:
    parts = urlsplit(container_url)
    options = f"restype=container&comp=list&include=metadata&maxresults={_PAGE}&prefix={quote(prefix, safe='')}"
    if marker:
        options += f"&marker={quote(marker, safe='')}"
    return parts._replace(query=f"{parts.query}&{options}" if parts.query else options).geturl()


async def _page(session: aiohttp.ClientSession, url: str) -> ET.Element:
    async with session.get(URL(url, encoded=True)) as response:
        if not response.ok:
            raise ListingError(response.status, f"The storage service answered {response.status}")
        try:
            return ET.fromstring(await response.read())  # noqa: S314 - no amplification since expat 2.4
        except ET.ParseError as exc:
            raise ListingError(0, "The storage service's list of blobs cannot be read") from exc
