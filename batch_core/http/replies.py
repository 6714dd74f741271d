"""HTTP requests and replies of the app: JSON both ways, and for each error the status that fits it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import urlsplit

from batch_core.errors import AppError, BlobNotFound, InvalidRequest, NotAFile, NotNow, RecordNotFound, SettingsError
from batch_core.http.health import Check
from batch_core.live import Live
from batch_core.naming import MAX_BLOB_NAME_LENGTH, is_blob_name, name_length
from batch_core.state.record import TaskRecord
from batch_core.submit import Submission

# Azure's host passes no body on that comes without its length: https://github.com/Azure/azure-functions-host/issues/7930
_NO_BODY = (
    'the body is empty: send {"blob": "NAME"}, with a Content-Length, since a chunked body does not arrive on Azure'
)

_STATUS: dict[type[AppError], int] = {
    InvalidRequest: 400,
    NotAFile: 400,
    BlobNotFound: 404,
    RecordNotFound: 404,
    NotNow: 409,
    SettingsError: 503,
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP status and the JSON document that goes with it."""

    status: int
    document: Mapping[str, object]

    @property
    def body(self) -> str:
        """The document, and a line end: a shell's prompt does not stick to it."""
        return json.dumps(self.document, default=_json_value, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class SubmitRequest:
    """What `POST /api/tasks` asks for."""

    blob: str
    force: bool

    @classmethod
    def parse(cls, body: bytes) -> "SubmitRequest":
        """Read the JSON body; raises `InvalidRequest` with every problem at once."""
        if not body:
            raise InvalidRequest([_NO_BODY])
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise InvalidRequest([f'the body is not JSON ({exc}): send {{"blob": "NAME"}}']) from exc
        if not isinstance(document, dict):
            raise InvalidRequest([f'the body is {_kind(document)}: send an object such as {{"blob": "NAME"}}'])
        if problems := [*_blob_problems(document), *_other_problems(document)]:
            raise InvalidRequest(problems)
        return cls(blob=document["blob"], force=document.get("force", False))


def submission_reply(submission: Submission, request_url: str) -> Reply:
    """Return 202 for a new task and 200 for an existing one; `status_url` stands on the host that was asked."""
    record = submission.record
    parts = urlsplit(request_url)
    document = {
        "task_id": record.task_id,
        "state": record.state,
        "reason": record.reason,
        "is_new": submission.is_new,
        "status_url": f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{record.task_id}",
    }
    return Reply(status=202 if submission.is_new else 200, document=document)


def record_reply(record: TaskRecord, status: int = 200, live: Live | None = None) -> Reply:
    """Return the whole record; `live` is what Batch says now of a task that it has, and null of any other.

    Its reason takes the place of one that was written down minutes ago. Not of what the app is doing itself: stopping
    the task, or fetching output that is hard to get.
    """
    document = asdict(record) | {"live": asdict(live) if live else None}
    if live and live.state != "unknown" and not record.cancel_requested_at and not record.output_tries:
        document["reason"] = live.reason
    return Reply(status=status, document=document)


def health_reply(checks: Sequence[Check]) -> Reply:
    """Return 200 if all is well, else 503."""
    is_ok = all(check.is_ok for check in checks)
    document = {
        "status": "ok" if is_ok else "unhealthy",
        "checks": {check.name: {"ok": check.is_ok, "detail": check.detail} for check in checks},
    }
    return Reply(status=200 if is_ok else 503, document=document)


def error_reply(error: AppError) -> Reply:
    """Return the status that fits, and where there are several problems each of them; a service's fault is 503."""
    problems = getattr(error, "problems", ())
    several = {"problems": list(problems)} if len(problems) > 1 else {}
    return Reply(status=_STATUS.get(type(error), 503), document={"error": str(error), **several})


def _blob_problems(document: Mapping[str, object]) -> list[str]:
    if "blob" not in document:
        return ["'blob' is missing: it names a blob of the input container"]
    blob = document["blob"]
    if not isinstance(blob, str):
        return [f"'blob' is {_kind(blob)}: it must be a string"]
    if not 1 <= name_length(blob) <= MAX_BLOB_NAME_LENGTH:
        return [f"'blob' has {name_length(blob)} characters: a blob's name has 1 to {MAX_BLOB_NAME_LENGTH}"]
    if not is_blob_name(blob):
        return [f"'blob' is {blob!r}: no name of a blob holds U+0000 or half of a surrogate pair"]
    return []


def _other_problems(document: Mapping[str, object]) -> list[str]:
    problems = [f"{name!r} is not known: there are 'blob' and 'force'" for name in document.keys() - {"blob", "force"}]
    if not isinstance(document.get("force", False), bool):
        problems.append(f"'force' is {_kind(document['force'])}: it must be true or false")
    return sorted(problems)


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} is not JSON")
