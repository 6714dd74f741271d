"""Parts of blobs, each read in one call and in bounded memory, whatever answers."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient

from batch_core.sdk.error_reply import error_code
from batch_core.services.call_limits import within_a_try
from batch_core.services.output_values import FilePart

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


async def blob_part(blob: BlobClient, start: int, length: int) -> FilePart | None:
    """Return bytes of a blob in one call, None if it ends at or before `start`; no more is read than was asked for."""
    try:
        async with within_a_try("reading the body"):
            hook = _one_answer(start, length)
            # What is packed is handed on packed: the range is one of its bytes, and unpacked it may be of any size.
            download = await blob.download_blob(start, length, decompress=False, raw_response_hook=hook)
            content = await download.readall()
    except HttpResponseError as exc:
        if exc.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and error_code(exc) == "InvalidRange":
            return None
        raise
    # The SDK has put the size of the part in the place of the blob's.
    size = int(str(download.properties.content_range).rpartition("/")[2])
    if download.properties.blob_type is None:
        raise ValueError("it has none of the headers of a blob")
    return FilePart(start=start, content=content, size=size, etag=etag_of(download.properties))


def _one_answer(start: int, length: int) -> Callable[[Any], None]:
    """Return a hook that looks at an answer before its body is read: all of the range has to be in it, and no more.

    The SDK would read a body of any size, and ask for more where one is too short.
    """

    def check(response: Any) -> None:  # noqa: ANN401 - as the SDK has it
        answer = response.http_response
        if answer.status_code in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            first, last, size = map(int, found.groups()) if found else (-1, -1, -1)
            expected = min(length, size - start)
            if first != start or last + 1 - first != expected or answer.headers.get("Content-Length") != str(expected):
                # Nobody reads it to its end, which would give the connection back.
                answer.internal_response.close()
                raise ValueError(f"it is not the part of {length} bytes from byte {start} on")

    return check


def etag_of(properties: BlobProperties) -> str:
    return '"' + properties.etag.strip('"') + '"'
