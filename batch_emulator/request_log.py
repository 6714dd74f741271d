"""A line for each request, if that is asked for: who, what, the answer, how long it took.

Without headers, bodies and queries: those may hold keys, signatures and whatever a user's task needs.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

logger = logging.getLogger(__name__)

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LONGEST_PATH: Final = 500
_LONGEST_ID: Final = 64


class RequestLog:
    """Wraps the gateway and logs what it answered."""

    def __init__(self, gateway: Handler) -> None:
        self._gateway = gateway

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        answer = "cut"
        try:
            response = await self._gateway(request)
            answer = _answer(response)
            return response
        finally:
            milliseconds = (time.perf_counter() - began) * 1000
            logger.info(
                '%s %s "%s %s" %s %.1f ms %s',
                f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
                request.remote or "-",
                request.method,
                _path(request),
                answer,
                milliseconds,
                _visible(request.headers.get("client-request-id", ""), _LONGEST_ID) or "-",
            )


def _answer(response: web.StreamResponse) -> str:
    """Return the status, of an error with the service's code."""
    if response.status < 400 or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return str(response.status)
    try:
        return f"{response.status} {json.loads(response.body)['code']}"
    except (ValueError, LookupError, TypeError):
        return str(response.status)


def _path(request: web.BaseRequest) -> str:
    # A proxy's clients send a whole URL, which may hold a password.
    target = request.raw_path.partition("?")[0].partition("#")[0]
    return _visible(target if target.startswith("/") else urlsplit(target).path or "-", _LONGEST_PATH)


def _visible(text: str, length: int) -> str:
    """Return the text without what would end the line or move a terminal's cursor."""
    return "".join(char if char.isprintable() else "?" for char in text[:length])
