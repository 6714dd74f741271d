"""Replies with what a task has put out: bytes that nothing takes for anything that runs, and lists of files.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from batch_core.http.output_requests import OutputRequest, opaque
from batch_core.http.replies import Content, Reply
from batch_core.output_reading import Output, OutputFiles

#: Should a browser show it in spite of everything, nothing in it runs or is fetched.
_HARMLESS: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}


def printed_reply(output: Output, request: OutputRequest) -> Content | Reply:
    """Return what a command printed, as text; the statuses are those of `_reply`."""
    return _reply(output, request, "text/plain", {})


def file_reply(output: Output, request: OutputRequest, name: str) -> Content | Reply:
    """Return a file that a command made, to be saved under the last part of its name."""
    # https://www.rfc-editor.org/rfc/rfc8187#section-3.2: what is quoted can neither end the header nor begin another.
    saved_as = quote(name.rpartition("/")[2], safe="", errors="replace")
    disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}"}
    return _reply(output, request, "application/octet-stream", disposition)


def files_reply(listing: OutputFiles) -> Reply:
    """Return a page of files."""
    document = {
        "state": listing.state,
        "files": [asdict(file) for file in listing.files],
        "continuation": opaque(listing.continuation) if listing.continuation else None,
        "has_more": listing.has_more,
    }
    return Reply(status=200, document=document)


def _reply(output: Output, request: OutputRequest, media_type: str, extra: Mapping[str, str]) -> Content | Reply:
    """Return 200 with all of an output, 206 with a part of it, 204 if a range asks for what comes next and nothing has.

    416 is for a range that begins beyond the end: who followed the output has read what does not exist any more.
    """
    headers = {"X-Task-State": output.state.value, "X-Output-Size": str(output.size), "Accept-Ranges": "bytes"}
    if output.start > output.size:
        text = f"the range begins at byte {output.start}, and there are {output.size} bytes"
        headers["Content-Range"] = f"bytes */{output.size}"
        return Reply(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, document={"error": text}, headers=headers)
    status = _status(output, request)
    if status is HTTPStatus.PARTIAL_CONTENT:
        last = output.start + len(output.content) - 1
        headers["Content-Range"] = f"bytes {output.start}-{last}/{output.size}"
    # Of what may still grow there is none: the next moment it would name something else.
    etag = {"ETag": output.etag} if output.etag and output.content else {}
    return Content(
        status=status, body=output.content, media_type=media_type, headers={**_HARMLESS, **headers, **etag, **extra}
    )


def _status(output: Output, request: OutputRequest) -> HTTPStatus:
    if not output.content:
        return HTTPStatus.NO_CONTENT if request.is_ranged else HTTPStatus.OK
    is_whole = len(output.content) == output.size
    return HTTPStatus.OK if is_whole and not request.is_ranged else HTTPStatus.PARTIAL_CONTENT
