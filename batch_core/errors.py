"""Every error that leaves this package, and the one place where SDK errors become them.

AppError
├── SettingsError      the app's settings are wrong or missing; lists every problem
├── InvalidRequest     a caller asked for something malformed; lists every problem
├── BlobNotFound       the named blob is not in the input container
├── RecordNotFound     no task with this id was ever recorded
├── NotNow             the state of the task or of its file does not allow what a caller asked for
├── OutOfTime          a tick's time is up; the next one goes on
└── ServiceError       Storage, the table or Batch did not do what it was asked
    ├── Unavailable    for now: throttled, down, timed out or out of reach; trying again helps
    ├── Missing        404: the thing is not there
    ├── Conflict       409 or 412: the thing is there already, or is in another state
    ├── AccessDenied   401 or 403: credentials or permissions
    └── Refused        any other 4xx: the same request will never be accepted
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)


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
        facts = ", ".join(part for part in (f"HTTP {status}" if status else "", code) if part)
        super().__init__(f"{action} failed" + (f" ({facts})" if facts else "") + (f": {detail}" if detail else ""))
        self.action = action
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """The service is throttling, down, slow or out of reach: the same request may succeed later."""


class Missing(ServiceError):
    """The thing asked for is not there."""


class Conflict(ServiceError):
    """The thing is there already, has changed since it was read, or is in a state that forbids the request."""


class AccessDenied(ServiceError):
    """The credentials were not accepted, or do not allow the request."""


class Refused(ServiceError):
    """The service will never accept this request."""


_BY_STATUS: dict[int, type[ServiceError]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: Missing,
    408: Unavailable,
    409: Conflict,
    412: Conflict,
    429: Unavailable,
}


@contextmanager
def translating(action: str) -> Iterator[None]:
    """Turn an SDK error raised inside into a `ServiceError`; `action` reads like "adding tasks to job j"."""
    try:
        yield
    except ResourceNotFoundError as exc:
        raise Missing(action, status=404, code=error_code(exc), detail=_first_line(_message(exc))) from exc
    except HttpResponseError as exc:
        raise _from_reply(action, exc) from exc
    except ClientAuthenticationError as exc:
        raise AccessDenied(action, detail=_first_line(exc.message)) from exc
    except (ServiceRequestError, ServiceResponseError) as exc:
        raise Unavailable(action, detail=_first_line(exc.message)) from exc
    except AzureError as exc:
        raise Unavailable(action, detail=_first_line(exc.message)) from exc


def _from_reply(action: str, exc: HttpResponseError) -> ServiceError:
    status = exc.status_code or 0
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = Unavailable if status == 0 or status >= 500 else Refused
    return kind(
        action, status=status, code=error_code(exc), detail=_first_line(_message(exc)), retry_after=_retry_after(exc)
    )


def _retry_after(exc: HttpResponseError) -> float | None:
    # Seconds: the services do not use the header's other form, a date.
    text = str(getattr(exc.response, "headers", {}).get("Retry-After", ""))
    return float(text) if text.isascii() and text.isdigit() else None


def error_code(exc: HttpResponseError) -> str:
    """Return the service's own error code: Batch and Storage put it in different places."""
    # Tables and Blobs set an attribute; Batch (its BatchExceptionPolicy) keeps the deserialised body.
    for holder in (exc, getattr(exc, "error", None), getattr(exc, "model", None)):
        code = getattr(holder, "error_code", None) or getattr(holder, "code", None)
        if code:
            return str(getattr(code, "value", code))
    return ""


def _message(exc: HttpResponseError) -> str:
    text = getattr(getattr(getattr(exc, "model", None), "message", None), "value", None)
    return str(text or exc.message)


def _first_line(text: str) -> str:
    # The services append request id and time on lines of their own.
    return text.strip().split("\n", 1)[0]
