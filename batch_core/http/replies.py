"""HTTP replies of the app: JSON documents, bytes, and for each error the status that fits it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import ceil
from typing import Final
from urllib.parse import urlsplit

from batch_core.clocks import utc_text
from batch_core.errors import (
    AppError,
    BlobNotFound,
    InvalidRequest,
    NotAFile,
    NotNow,
    OutputNotFound,
    RecordNotFound,
    SelectionNotFound,
    ServiceError,
    SettingsError,
)
from batch_core.live import Live
from batch_core.state.record import TaskRecord
from batch_core.submission import Submission

_STATUS: Final[Mapping[type[AppError], int]] = {
    InvalidRequest: 400,
    NotAFile: 400,
    BlobNotFound: 404,
    RecordNotFound: 404,
    SelectionNotFound: 404,
    OutputNotFound: 404,
    NotNow: 409,
    SettingsError: 503,
}
#: The least of `Retry-After`, in seconds.
_SOON: Final = 5


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP status and the JSON document that goes with it."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    @property
    def body(self) -> bytes:
        """The document, and a line end: a shell's prompt does not stick to it."""
        text = json.dumps(self.document, default=_json_value, ensure_ascii=False)
        # Half of a surrogate pair, which UTF-8 does not have, becomes JSON's own escape.
        return text.encode(errors="backslashreplace") + b"\n"


@dataclass(frozen=True, kw_only=True)
class Content:
    """An HTTP status and bytes of a file, which no browser takes for anything that could run."""

    status: int
    body: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def submission_reply(submission: Submission, tasks_url: str) -> Reply:
    """Return 202 for a new task and 200 for an existing one; `status_url` is below the URL of the tasks, as asked."""
    record, parts = submission.record, urlsplit(tasks_url)
    document = {
        "task_id": record.task_id,
        "state": record.state,
        "reason": record.reason,
        "route": record.route,
        "is_new": submission.is_new,
        "status_url": f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{record.task_id}",
    }
    return Reply(status=202 if submission.is_new else 200, document=document)


def retry_reply(submission: Submission, request_url: str) -> Reply:
    """Return what a submission is answered with; the path that was asked ends in `/{task_id}/retry`."""
    parts = urlsplit(request_url)
    return submission_reply(submission, parts._replace(path=parts.path.rstrip("/").rsplit("/", 2)[0]).geturl())


def cancellation_reply(record: TaskRecord) -> Reply:
    """Return the record with 200 if the task is stopped, with 202 while it is being stopped."""
    return record_reply(record, status=200 if record.state.is_final else 202)


def record_reply(record: TaskRecord, status: int = 200, live: Live | None = None) -> Reply:
    """Return the whole record; `live` is what Batch says now of a task that it has, and null of any other.

    Its reason takes the place of one that was written down minutes ago. Not of what the app is doing itself: stopping
    the task, or fetching output that is hard to get.
    """
    document = asdict(record) | {"live": asdict(live) if live else None}
    if live and live.state != "unknown" and not record.cancel_requested_at and not record.output_tries:
        document["reason"] = live.reason
    return Reply(status=status, document=document)


def error_reply(error: AppError) -> Reply:
    """Return the status that fits, and where there are several problems each of them; a service's fault is 503."""
    problems = getattr(error, "problems", ())
    several = {"problems": list(problems)} if len(problems) > 1 else {}
    status = _STATUS.get(type(error), 503)
    headers = {"Retry-After": str(_retry_after(error))} if isinstance(error, ServiceError) and status == 503 else {}
    return Reply(status=status, document={"error": str(error), **several}, headers=headers)


def _retry_after(error: ServiceError) -> int:
    """Return in how many seconds the request may succeed: as long as the service asked for, else a few."""
    return max(ceil(error.retry_after or 0), _SOON)


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return utc_text(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
