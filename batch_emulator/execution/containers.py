"""Lists the blobs of a storage container by its URL, which may carry a SAS token."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
from yarl import URL

_PAGE: Final = 5000


class ListingError(Exception):
    """The container cannot be listed; ``status`` is the HTTP status, 0 for none."""

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


async def list_blobs(session: aiohttp.ClientSession, container_url: str, prefix: str) -> AsyncIterator[str]:
    """Yield the names of the blobs that begin with the prefix. Raises ListingError.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs
    """
    marker: str | None = ""
    while marker is not None:
        page = await _page(session, _listing_address(container_url, prefix, marker))
        for name in page.iterfind("./Blobs/Blob/Name"):
            yield name.text or ""
        marker = page.findtext("./NextMarker") or None


def _listing_address(container_url: str, prefix: str, marker: str) -> str:
    parts = urlsplit(container_url)
    options = f"restype=container&comp=list&maxresults={_PAGE}&prefix={quote(prefix, safe='')}"
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
