"""Answers and errors in the shapes of Azure Resource Manager."""

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError
from batch_emulator.values.documents import Document

_JSON: Final = "application/json; charset=utf-8"


def answer(call: Call, document: Document, headers: Mapping[str, str] | None = None) -> web.Response:
    return _response(200, document, {**call.common_headers, **(headers or {})})


def without_body(call: Call, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, headers={**call.common_headers, **(headers or {})})


def refusal(exc: BatchError, headers: Mapping[str, str], time: str) -> web.Response:
    """Answer an error of the resource provider.

    Its shape: https://github.com/Azure/Batch/issues/85 quotes one in full, with the same code and text as the service's
    own, and details in place of values.
    """
    details = [{"code": name, "message": value} for name, value in exc.details.items()]
    error: Document = {
        "code": exc.error.code,
        "message": f"{exc.message}\nRequestId:{headers['request-id']}\nTime:{time}",
        "target": "BatchAccount",
        **({"details": details} if details else {}),
    }
    return _response(exc.error.status, {"error": error}, headers)


def _response(status: int, document: Document, headers: Mapping[str, str]) -> web.Response:
    body = json.dumps(document).encode()
    return web.Response(status=status, body=body, headers={**headers, "Content-Type": _JSON})
