"""What every HTTP function has in common: its reply becomes a response, and so does each error of the app.

What is polled costs little where nothing has changed: a document that was read has an ETag, as have bytes whose file
does not change any more, and a request that names it is answered with 304.
"""

import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import azure.functions as func

from batch_core.errors import AppError
from batch_core.http.replies import Content, Reply, error_reply

logger = logging.getLogger(__name__)

_FAULT: Final = "a fault of the app: its log says which; please report it"

type Replying = Callable[[func.HttpRequest], Awaitable[Reply | Content]]
type Responding = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def responding(function: Replying) -> Responding:
    """Decorate a function that returns a reply, or raises an `AppError`, into one that the host can call."""

    async def respond(req: func.HttpRequest) -> func.HttpResponse:
        try:
            reply = await function(req)
        except AppError as exc:
            reply = error_reply(exc)
        except Exception:
            # A fault of the app: its log has it, and the caller learns that much.
            logger.exception("%s has failed for a reason that is not known.", function.__name__)
            reply = Reply(status=HTTPStatus.INTERNAL_SERVER_ERROR, document={"error": _FAULT})
        return _response(req, reply)

    # Not `functools.wraps`: the worker reads the annotations, and must see these.
    respond.__name__, respond.__doc__ = function.__name__, function.__doc__
    return respond


def _response(req: func.HttpRequest, reply: Reply | Content) -> func.HttpResponse:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", **reply.headers}
    # Bytes bring the ETag of the whole file, which their own would not be: they may be a part of it.
    if req.method == "GET" and reply.status == HTTPStatus.OK and isinstance(reply, Reply):
        headers["ETag"] = f'"{sha256(reply.body).hexdigest()[:32]}"'
    if "ETag" in headers and _names(req.headers.get("if-none-match", ""), headers["ETag"]):
        headers.pop("Content-Range", None)
        return func.HttpResponse(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return func.HttpResponse(reply.body, status_code=reply.status, mimetype=reply.media_type, headers=headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Return whether a header names an ETag: https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match."""
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return etag in named or "*" in named
