"""What a service says in the error that an SDK raised: its code, its message, and when to try again.

Each SDK keeps these in a place of its own. An answer without one of the service's error codes (a proxy's page, half a
document, an empty body) is not the service's.
"""

import json
import re
from contextlib import suppress
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError

#: What the SDKs raise when an answer does not have the shape that they expect.
MISREAD: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

#: Details of Batch's errors that name a fault and not a value, as its recordings show them.
_FAULT_DETAILS: Final = ("PropertyName", "QueryParameterName", "Reason")

#: What the services' error codes look like; anything else in that place is not one.
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")


def error_code(exc: HttpResponseError) -> str:
    """Return the service's own error code; empty if the answer is not a well-formed error of the service."""
    # Blobs and Tables set an attribute; Batch (its BatchExceptionPolicy) keeps the deserialised body.
    code = getattr(exc, "error_code", None) or _batch_code(getattr(exc, "model", None)) or _table_code(exc.response)
    text = getattr(code, "value", code)
    return text if isinstance(text, str) and _CODE.fullmatch(text) else ""


def error_message(exc: HttpResponseError) -> str:
    """Return the service's message in one line, without the request id and time on the lines that follow."""
    model = getattr(exc, "model", None)
    text = getattr(getattr(model, "message", None), "value", None)
    return first_line(str(text or exc.message or "")) + fault_in_request(model)


def fault_in_request(error: object) -> str:
    """Return which property or parameter Batch finds fault with and why, to follow its message; empty if it names none.

    The value at fault is left out: it may be a secret.
    """
    details = getattr(error, "error_values", None)
    pairs = ((getattr(one, "key", None), getattr(one, "value", None)) for one in details or [])
    said = {key: first_line(value) for key, value in pairs if isinstance(key, str) and isinstance(value, str)}
    known = [f"{key}: {said[key]}" for key in _FAULT_DETAILS if said.get(key)]
    return f" ({', '.join(known)})" if known else ""


def retry_after(exc: HttpResponseError) -> float | None:
    """Return how many seconds the service asks to be left alone; None if it does not."""
    # Seconds: the services do not use the header's other form, a date.
    text = _header(exc, "Retry-After")
    return float(text) if text.isascii() and text.isdigit() else None


def content_type(exc: HttpResponseError) -> str:
    """Return the answer's media type without its parameters; empty if it names none."""
    return _header(exc, "Content-Type").split(";", 1)[0][:100]


def first_line(text: str) -> str:
    # aiohttp says `ssl:default` of plain HTTP, too.
    return text.strip().split("\n", 1)[0].replace(" ssl:default", "")


def _header(exc: HttpResponseError, name: str) -> str:
    return str(getattr(exc.response, "headers", {}).get(name, ""))


def _batch_code(model: object) -> object:
    message = getattr(getattr(model, "message", None), "value", None)
    return getattr(model, "code", None) if isinstance(message, str) else None


def _table_code(response: object) -> object:
    # Where an entity is created, azure-data-tables 12.7.0 raises the error as it came: its code is in the body alone.
    text = getattr(response, "text", None)
    with suppress(AzureError, *MISREAD):
        return json.loads(text())["odata.error"]["code"] if callable(text) else None
    return None
