"""The one place where errors of the SDKs become the app's own.

An answer counts as the service's only if it has one of the service's error codes; any other is `Unexpected`, whatever
its status, and decides nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from batch_core.errors import (
    AccessDenied,
    Conflict,
    Missing,
    NothingListens,
    Refused,
    ServiceError,
    Unavailable,
    Unexpected,
)
from batch_core.sdk.error_reply import MISREAD, content_type, error_code, error_message, first_line, retry_after
from batch_core.sdk.service_codes import ABSENT


@dataclass
class _Exchange:
    is_answered: bool = False


_exchange: Final[ContextVar[_Exchange | None]] = ContextVar("exchange", default=None)


def note_answer() -> None:
    """Note that a service has answered: what `translating` catches from now on is about that answer."""
    if (exchange := _exchange.get()) is not None:
        exchange.is_answered = True


@contextmanager
def translating(action: str) -> Iterator[None]:
    """Turn an SDK error raised inside into a `ServiceError`; `action` reads like "adding tasks to job j".

    Answers should be read inside too: whatever goes wrong after one has arrived becomes `Unexpected`, so that nothing
    raw crosses this boundary. What is raised before any answer came is an error of this program, and passes.
    """
    outer, exchange = _exchange.get(), _Exchange()
    _exchange.set(exchange)
    try:
        yield
    except NothingListens as exc:
        raise NothingListens(exc.address, action) from exc
    except (AzureError, *MISREAD) as exc:
        if not isinstance(exc, AzureError) and not exchange.is_answered:
            raise
        raise _translated(action, exc) from exc
    finally:
        _exchange.set(outer)


def _translated(action: str, exc: Exception) -> ServiceError:
    match exc:
        case IncompleteReadError() | ServiceRequestError() | ServiceResponseError():
            return Unavailable(action, detail=first_line(exc.message))
        case HttpResponseError(status_code=int()):
            return _from_reply(action, exc)
        case ClientAuthenticationError():
            return AccessDenied(action, detail=first_line(exc.message))
        case AzureError():
            return Unexpected(action, detail=first_line(exc.message))
        case _:
            detail = f"the answer cannot be read ({type(exc).__name__}: {first_line(str(exc))})"
            return Unexpected(action, detail=detail)


def _from_reply(action: str, exc: HttpResponseError) -> ServiceError:
    status, code = exc.status_code or 0, error_code(exc)
    kind = _kind(status, code)
    detail = _foreign(exc) if kind is Unexpected else error_message(exc)
    return kind(action, status=status, code=code, detail=detail, retry_after=retry_after(exc))


def _kind(status: int, code: str) -> type[ServiceError]:
    is_transient = status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    if is_transient or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
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
    return f"the answer is not one of the service's own (content type {content_type(exc) or 'none'})"
