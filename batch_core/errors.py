"""Every error that leaves this package.

AppError
├── SettingsError      the app's settings are wrong or missing; lists every problem
├── RoutesError        the file of routes is wrong or cannot be read; lists every problem
├── InvalidRequest     a caller asked for something malformed; lists every problem
├── BlobNotFound       the named blob is not in the input container
├── NotAFile           the named blob marks a folder
├── InputRefused       a task of this file or folder can never be made
├── RecordNotFound     no task with this id was ever recorded
├── OutputNotFound     the task has no such output, or none any more
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

All but the first three are the service's own words: an answer without one of its error codes (a proxy's page, half a
document, an empty body) is `Unexpected`, whatever its status, and decides nothing.
"""

from collections.abc import Sequence
from typing import Final

from batch_core.redaction import redacted

#: The longest text of a service that is kept, in characters: it goes into records, logs and replies.
MAX_DETAIL_LENGTH: Final = 1500


class AppError(Exception):
    """An error whose text is written for the person who reads it."""


class ProblemsError(AppError):
    """Input is wrong: `problems` holds a sentence for each thing that is, and the text all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class SettingsError(ProblemsError):
    """The app's settings are wrong or missing: each problem says which and what would be right."""


class RoutesError(ProblemsError):
    """The file of routes is wrong or cannot be read: each problem says where, with which value, and what is right.

    The text is the reason of every file that waits for it: so it has the first problem, and how many there are.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        first, *others = problems
        more = f", and {len(others)} more problem{'' if len(others) == 1 else 's'}" if others else ""
        super().__init__([f"{first}{more}: `batchdrop routes check` lists all" if others else first])
        self.problems = tuple(problems)


class InvalidRequest(ProblemsError):
    """A caller's request is malformed: each problem says what, and what would be right."""


class BlobNotFound(AppError):
    """The blob is not in the input container."""


class NotAFile(AppError):
    """The blob is in the input container, and marks a folder."""


class InputRefused(AppError):
    """A task of this file or folder can never be made: the text says why, and what would help."""


class RecordNotFound(AppError):
    """No task with this id was ever recorded."""


class SelectionNotFound(AppError):
    """Nothing was asked for under this id, or it is long past."""


class OutputNotFound(AppError):
    """The task has no such output, or none any more: the text says why as far as that is known."""


class NotNow(AppError):
    """The state of the task or of its file does not allow what a caller asked for."""


class VersionChanged(NotNow):
    """A file is no longer what it was when its task was made."""


class TooManyAttempts(NotNow):
    """A version of a file has as many attempts as it can have."""


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
        detail = redacted(detail[: 4 * MAX_DETAIL_LENGTH])[:MAX_DETAIL_LENGTH]
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
