"""Writes one file as a block blob, in bounded memory.

https://learn.microsoft.com/rest/api/storageservices/put-blob (and put-block, put-block-list)
"""

import asyncio
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from batch_emulator.regular_files import open_to_read

#: Files up to this size go in one request; larger ones in blocks of it.
BLOCK_SIZE: Final = 8 * 2**20

#: Most blocks of one blob; beyond it the blocks are made larger.
_MOST_BLOCKS: Final = 50_000

#: Waits before the second and third try of a request that failed for a passing reason, in seconds.
_PAUSES: Final = (0.2, 1.0)

_OWN: Final = {"x-ms-version": "2021-12-02"}

#: Headers of the blob that a list of blocks would take for its own.
_OF_THE_BLOB: Final = {
    name: f"x-ms-blob-{name}"
    for name in ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
}


class UploadError(Exception):
    """The storage service refuses; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def put_file(session: aiohttp.ClientSession, path: Path, url: str, headers: Mapping[str, str]) -> int:
    """Write the file, replacing a blob of that name; return its size. Raises UploadError or OSError."""
    blob_headers = {_OF_THE_BLOB.get(name.lower(), name.lower()): value for name, value in headers.items()}
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        blocks = _blocks(file.fileno(), size)
        if size <= BLOCK_SIZE:
            content = await anext(blocks, b"")
            await _put(session, url, content, {**blob_headers, "x-ms-blob-type": "BlockBlob"})
        else:
            await _put_blocks(session, url, blocks, blob_headers)
    return size


async def _blocks(descriptor: int, size: int) -> AsyncIterator[bytes]:
    """Yield the first `size` bytes: a log that still grows has no end."""
    length = max(BLOCK_SIZE, -(-size // _MOST_BLOCKS))
    for start in range(0, size, length):
        yield await asyncio.to_thread(os.pread, descriptor, min(length, size - start), start)


async def _put_blocks(
    session: aiohttp.ClientSession, url: str, blocks: AsyncIterator[bytes], headers: Mapping[str, str]
) -> None:
    names: list[str] = []
    async for block in blocks:
        names.append(b64encode(f"{len(names):06}".encode()).decode())
        await _put(session, _with_query(url, f"comp=block&blockid={quote(names[-1], safe='')}"), block, {})
    listed = "".join(f"<Latest>{name}</Latest>" for name in names)
    document = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    await _put(session, _with_query(url, "comp=blocklist"), document.encode(), headers)


def _with_query(url: str, options: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=f"{parts.query}&{options}" if parts.query else options).geturl()


async def _put(session: aiohttp.ClientSession, url: str, content: bytes, headers: Mapping[str, str]) -> None:
    """Send one request, and again where that may help. Raises UploadError."""
    for pause in (*_PAUSES, None):
        status = await _status(session, url, content, {**headers, **_OWN})
        if status == HTTPStatus.CREATED:
            return
        passing = not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        if pause is None or not passing:
            reason = f"The storage service answered {status}" if status else "The storage service did not answer"
            raise UploadError(status, reason)
        await asyncio.sleep(pause)


async def _status(session: aiohttp.ClientSession, url: str, content: bytes, headers: Mapping[str, str]) -> int:
    """Return the status of the answer, 0 for none."""
    try:
        # The URL is used as given: re-quoting would break the signature of a SAS.
        async with session.put(URL(url, encoded=True), data=content, headers=headers) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0
