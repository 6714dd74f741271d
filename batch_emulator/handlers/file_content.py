"""Sends a file of a node: its headers, and its bytes or a range of them, in bounded memory."""

import asyncio
import os
import re
from typing import Final
from urllib.parse import quote

from aiohttp import web

from batch_emulator.access.origins import INERT
from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.node_files import FileEntry
from batch_emulator.regular_files import open_descriptor
from batch_emulator.values.timestamps import http_date

_CHUNK: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?", re.ASCII)


def file_headers(call: Call, entry: FileEntry) -> dict[str, str]:
    """Return the headers that describe a file, as recorded from the service: no ETag, the address as it was asked for.

    Recordings: `should_get_task_file_properties`, `should_get_node_file_content`.
    """
    return {
        "Content-Type": entry.content_type,
        "Last-Modified": http_date(entry.modified),
        "ocp-batch-file-isdirectory": str(entry.is_directory),
        "ocp-batch-file-url": quote(f"{call.endpoint}{call.path}", safe=""),
        "ocp-batch-file-mode": entry.mode,
    }


async def send_file(call: Call, entry: FileEntry) -> web.StreamResponse:
    """Stream a file. Status 200 even for a range: the service's clients take no 206."""
    if entry.is_directory:
        raise BatchError(ErrorCode.FILE_NOT_FOUND)
    start, end = _range(call.request.headers.get("ocp-range"), entry.size)
    try:
        descriptor = open_descriptor(entry.path, os.O_RDONLY)
    except OSError as exc:
        raise BatchError(ErrorCode.FILE_NOT_FOUND) from exc
    try:
        headers = {**call.common_headers, **file_headers(call, entry), "Content-Security-Policy": INERT}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        await _copy(descriptor, start, end, response)
        await response.write_eof()
        return response
    finally:
        os.close(descriptor)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """Return the first byte and the one after the last. Raises InvalidRange."""
    if header is None:
        return 0, size
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        raise BatchError(ErrorCode.INVALID_RANGE, HeaderName="ocp-range", HeaderValue=header)
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if start >= size or end <= start:
        raise BatchError(ErrorCode.INVALID_RANGE, HeaderName="ocp-range", HeaderValue=header)
    return start, end


async def _copy(descriptor: int, start: int, end: int, response: web.StreamResponse) -> None:
    while start < end:
        wanted = min(_CHUNK, end - start)
        # Small files come from the page cache at once; larger ones must not hold up others.
        if end - start <= _CHUNK:
            chunk = os.pread(descriptor, wanted, start)
        else:
            chunk = await asyncio.to_thread(os.pread, descriptor, wanted, start)
        if not chunk:
            return
        await response.write(chunk)
        start += len(chunk)
