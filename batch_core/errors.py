"""Every error that leaves this package, and the one place where SDK errors become them.

AppError
├── SettingsError      the app's settings are wrong or missing; lists every problem
├── InvalidRequest     a caller asked for something malformed; lists every problem
├── BlobNotFound       the named blob is not in the input container
├── NotAFile           the named blob marks a folder
├── RecordNotFound     no task with this id was ever recorded
├── NotNow             the state of the task or of its file does not allow what a caller asked for
├── OutOfTime          a tick's time is up; the next one goes on
└── ServiceError       Storage, the table or Batch did not do what it was asked
    ├── Unavailable    for now: throttled, down, timed out or out of reach; trying again helps
    │   └── NothingListens  a connection to this machine is refused
    ├── Unexpected     the answer is not one that the service gives: whether the request took effect is not known
    ├── Missing        404 with a code of the service that says so: the thing does not exist
    ├── Conflict       409 or 412: the thing already exists, or is in another state
    ├── AccessDenied   401 or 403: credentials or permissions
    └── Refused        any other 4xx: the service does not accept the request as it is

All but the first two are the service's own words: an answer without one of its error codes (a proxy's page, half a
document, an empty body) is `Unexpected`, whatever its status, and decides nothing.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from batch_core.service_codes import ABSENT

#: The longest text of a service that is kept, in characters: it goes into records, logs and replies.
MAX_DETAIL_LENGTH = 1500

#: What the services' error codes look like; anything else in that place is not one.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")
_SIGNATURE = re.compile(r"(?i)\bsig=[^&\s\"'<>]+")


class AppError(Exception):
    """An error whose text is written for the person who reads it."""


class _ProblemsError(AppError):
    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SettingsError(_ProblemsError):
    """The app's settings are wrong or missing: each problem says which and what would be right."""


class InvalidRequest(_ProblemsError):
    """A caller's request is malformed: each problem says what, and what would be right."""


class BlobNotFound(AppError):
    """The blob is not in the input container."""


class NotAFile(AppError):
    """The blob is in the input container, and marks a folder."""


class RecordNotFound(AppError):
    """No task with this id was ever recorded."""


class NotNow(AppError):
    """The state of the task or of its file does not allow what a caller asked for."""


class OutOfTime(AppError):
    """A tick's time is up: what it was doing goes on in the next one."""


class ServiceError(AppError):
    """A service did not do what it was asked.

    `action` is what the app was doing, `status` the HTTP status (0: no reply), `code` the service's own error code,
    `detail` its own words, and `retry_after` how many seconds it asked to be left alone, if it did.
    """

    def __init__(
        self, action: str, *, status: int = 0, code: str = "", detail: str = "", retry_after: float | None = None
    ) -> None:
        detail = _SIGNATURE.sub("sig=REDACTED", detail[: 4 * MAX_DETAIL_LENGTH])[:MAX_DETAIL_LENGTH]
        facts = ", ".join(part for part in (f"HTTP {status}" if status else "", code) if part)
        super().__init__(f"{action} failed" + (f" ({facts})" if facts else "") + (f": {detail}" if detail else ""))
        self.action = action
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """The service is throttling, down, slow or out of reach: the same request may succeed later."""


class NothingListens(Unavailable):
    """Nothing listens at this address of this machine.

    No `AzureError` when it is raised, which is what the SDKs' retry policies catch: there is no point in waiting for
    a service that only the operator can start.
    """

    def __init__(self, address: str, action: str | None = None) -> None:
        detail = f"nothing listens on {address}: is the local stack up? `make up` starts it"
        super().__init__(action or f"connecting to {address}", detail=detail)
        self.address = address


class Unexpected(ServiceError):
    """The answer is not one that the service gives: whether the request took effect is not known."""


class Missing(ServiceError):
    """The thing asked for does not exist: the service says so with a code of its own."""


class Conflict(ServiceError):
    """The thing already exists, was modified since it was read, or is in a state that forbids the request."""


class AccessDenied(ServiceError):
    """The credentials were not accepted, or do not allow the request."""


class Refused(ServiceError):
    """The service does not accept the request as it is."""


@dataclass
class _Exchange:
    is_answered: bool = False


_exchange: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)

#: What the SDKs raise when an answer does not have the shape that they expect.
_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def note_answer() -> None:
    """Note that a service has answered: what `translating` catches from now on is about that answer."""
    if (exchange := _exchange.get()) is not None:
        exchange.is_answered = True


@contextmanager
def translating(action: str) -> Iterator[None]:
    """Turn an SDK error raised inside into a `ServiceError`; `action` reads like "adding tasks to job j".

    Answers should be read inside too: whatever goes wrong after one has arrived becomes `Unexpected`, so that nothing
    raw leaves the boundary. What is raised before any answer came is an error of this program, and passes.
    """
    outer, exchange = _exchange.get(), _Exchange()
    _exchange.set(exchange)
    try:
        yield
    except NothingListens as exc:
        raise NothingListens(exc.address, action) from exc
    except (AzureError, *_MISREAD) as exc:
        if not isinstance(exc, AzureError) and not exchange.is_answered:
            raise
        raise _translated(action, exc) from exc
    finally:
        _exchange.set(outer)


def _translated(action: str, exc: Exception) -> ServiceError:
    match exc:
        case IncompleteReadError() | ServiceRequestError() | ServiceResponseError():
            return Unavailable(action, detail=_first_line(exc.message))
        case HttpResponseError(status_code=int()):
            return _from_reply(action, exc)
        case ClientAuthenticationError():
            return AccessDenied(action, detail=_first_line(exc.message))
        case AzureError():
            return Unexpected(action, detail=_first_line(exc.message))
        case _:
            detail = f"the answer cannot be read ({type(exc).__name__}: {_first_line(str(exc))})"
            return Unexpected(action, detail=detail)


def _from_reply(action: str, exc: HttpResponseError) -> ServiceError:
    status, code = exc.status_code or 0, error_code(exc)
    kind = _kind(status, code)
    detail = _foreign(exc) if kind is Unexpected else _first_line(_message(exc))
    return kind(action, status=status, code=code, detail=detail, retry_after=_retry_after(exc))


def _kind(status: int, code: str) -> type[ServiceError]:
    if (
        status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Unavailable
    if not code or status < HTTPStatus.BAD_REQUEST:
        return Unexpected
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return AccessDenied
        case HTTPStatus.NOT_FOUND:
            return Missing if code in ABSENT else Unexpected
        case HTTPStatus.CONFLICT | HTTPStatus.PRECONDITION_FAILED:
            return Conflict
        case _:
            return Refused


def _foreign(exc: HttpResponseError) -> str:
    # Its body stays out of the text: it may be a page of any size that repeats the request's URL.
    kind = str(getattr(exc.response, "headers", {}).get("Content-Type", "")).split(";", 1)[0][:100]
    return f"the answer is not one of the service's own (content type {kind or 'none'})"


def _retry_after(exc: HttpResponseError) -> float | None:
    # Seconds: the services do not use the header's other form, a date.
    text = str(getattr(exc.response, "headers", {}).get("Retry-After", ""))
    return float(text) if text.isascii() and text.isdigit() else None


def error_code(exc: HttpResponseError) -> str:
    """Return the service's own error code; empty if the answer is not a well-formed error of the service."""
    # Blobs and Tables set an attribute; Batch (its BatchExceptionPolicy) keeps the deserialised body.
    code = getattr(exc, "error_code", None) or _batch_code(getattr(exc, "model", None)) or _table_code(exc.response)
    text = getattr(code, "value", code)
    return text if isinstance(text, str) and _CODE.fullmatch(text) else ""


def _batch_code(model: object) -> object:
    message = getattr(getattr(model, "message", None), "value", None)
    return getattr(model, "code", None) if isinstance(message, str) else None


def _table_code(response: object) -> object:
    # Where an entity is created, azure-data-tables 12.7.0 raises the error as it came: its code is in the body alone.
    text = getattr(response, "text", None)
    with suppress(AzureError, *_MISREAD):
        return json.loads(text())["odata.error"]["code"] if callable(text) else None
    return None


def _message(exc: HttpResponseError) -> str:
    text = getattr(getattr(getattr(exc, "model", None), "message", None), "value", None)
    return str(text or exc.message or "")


def _first_line(text: str) -> str:
    # The services append request id and time on lines of their own. aiohttp says `ssl:default` of plain HTTP, too.
    return text.strip().split("\n", 1)[0].replace(" ssl:default", "")
