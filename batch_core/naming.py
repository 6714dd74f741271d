"""Every name that the app makes, each derived from the blob version alone, so that the same event gives the same names.

blob version ──▶ task id ──▶ table keys
     │              └──────▶ output blob names
     └──▶ safe file name on the node
"""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final

from batch_core.obstacle import Obstacle

#: Batch ids: at most 64 characters of letters, digits, hyphens and underscores, compared without regard to case
#: (https://learn.microsoft.com/rest/api/batchservice/tasks/create-task).
MAX_ID_LENGTH: Final = 64
#: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
MAX_BLOB_NAME_LENGTH: Final = 1024
MAX_BLOB_NAME_SEGMENTS: Final = 254

_TASK_ID: Final = re.compile(r"(?P<day>\d{8})T(?P<time>\d{6})-(?:[a-z0-9-]+-)?[0-9a-f]{16}(?:-r(?P<attempt>\d{1,4}))?")
_JOB_ID: Final = re.compile(r"[A-Za-z0-9_-]+-(?P<day>\d{8})-(?P<number>\d{1,6})", re.ASCII)
_SLUG_LENGTH: Final = 24
_DIGEST_LENGTH: Final = 16
_FILE_NAME_LENGTH: Final = 100
_JOB_POOL_LENGTH: Final = 24
#: A part of a path that means a place. A backslash may be read as a slash.
_DOT_SEGMENT: Final = re.compile(r"(?<![^/\\])\.\.?(?![^/\\])")
_RECEIPT_LENGTH: Final = len('blobreceipts//Host.Functions.submit_blob/"0x8DE1234567890AB"//') + 32
_RECEIPT_SEGMENTS: Final = 5


@dataclass(frozen=True, kw_only=True)
class BlobVersion:
    """One version of one blob: `etag` as the service gave it, `last_modified` aware, `size` in bytes.

    `obstacle` is what kept it from being read when the service was asked, and `metadata` what its writer said of
    it: names and values, which belong to the version, since a change of them changes the ETag.
    """

    container: str
    name: str
    etag: str
    last_modified: datetime
    size: int
    obstacle: Obstacle | None = None
    metadata: tuple[tuple[str, str], ...] = field(default=(), compare=False)


def task_id(version: BlobVersion, attempt: int = 1) -> str:
    """Return the Batch task id of this attempt at this version: the same input always gives the same id."""
    # A JSON list keeps the parts apart: no two different inputs give the same text.
    identity = json.dumps([version.container, version.name, version.etag.strip('"'), attempt])
    digest = sha256(identity.encode()).hexdigest()[:_DIGEST_LENGTH]
    moment = version.last_modified.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    suffix = "" if attempt == 1 else f"-r{attempt}"
    return "-".join(part for part in (moment, _slug(version.name), digest) if part) + suffix


def is_task_id(text: str) -> bool:
    """Return whether `task_id` could have made this id."""
    return len(text) <= MAX_ID_LENGTH and _TASK_ID.fullmatch(text) is not None


def attempt_of(task: str) -> int:
    """Return which attempt at its version a task is (a `ValueError` if the id is none)."""
    match = _TASK_ID.fullmatch(task)
    if match is None:
        raise ValueError(f"not a task id: {task!r}")
    return int(match["attempt"] or 1)


@dataclass(frozen=True, kw_only=True)
class TableKeys:
    """The keys of a task's record and its index entity: one partition a day, the newest first within it."""

    partition: str
    row: str

    @property
    def open_row(self) -> str:
        return OPEN_PREFIX + self.row

    @property
    def event_row(self) -> str:
        return EVENT_PREFIX + self.row


#: Row keys of records start with a digit, so that these sort after all of them.
OPEN_PREFIX: Final = "open-"
#: Before the open work, which is read from its prefix on, also by releases that know of no events.
EVENT_PREFIX: Final = "event-"


def table_keys(task: str) -> TableKeys:
    """Return the keys that follow from a task id (a `ValueError` if it is none)."""
    match = _TASK_ID.fullmatch(task)
    if match is None:
        raise ValueError(f"not a task id: {task!r}")
    inverted = 999_999 - int(match["time"])
    return TableKeys(partition=match["day"], row=f"{inverted:06}-{task[len('yyyymmddThhmmss-') :]}")


#: In a task's directory: where its command runs (https://learn.microsoft.com/azure/batch/files-and-directories).
WORKING_DIRECTORY: Final = "wd"
#: In a task's working directory, so that no file name can collide with what a command writes there.
INPUT_FOLDER: Final = "input"
#: What a task prints, as its node and the output container call it.
STDOUT: Final = "stdout.txt"
STDERR: Final = "stderr.txt"
#: Below the outputs of a task: the files that its node uploads.
FILES_FOLDER: Final = "files"

#: What is left of a blob's name to the outputs below their task's folder, in characters and in parts.
MAX_OUTPUT_LENGTH: Final = 256
_FILE_SEGMENTS: Final = 24

#: More attempts at one version have no id.
MAX_ATTEMPT: Final = 9999


def attempt_rows(version: BlobVersion) -> tuple[TableKeys, str]:
    """Return the first key and the last row between which all attempts at this version lie.

    Only what follows the slug differs from attempt to attempt: the digest, whose digits all come before `g`. Files of
    the same second whose names begin alike may lie between them.
    """
    first = table_keys(task_id(version))
    beginning = first.row[:-_DIGEST_LENGTH]
    return TableKeys(partition=first.partition, row=beginning), f"{beginning}g"


def job_id(prefix: str, pool: str, priority: int, day: date, number: int) -> str:
    """Return the id of the `number`th job of this day on this pool with this priority: at most 63 characters.

    Only a priority that is not 0 shows: `p5`, or `m5` for -5.
    """
    rank = [f"{'p' if priority > 0 else 'm'}{abs(priority)}"] if priority else []
    return "-".join([prefix, _shortened(pool, _JOB_POOL_LENGTH), *rank, f"{day:%Y%m%d}", str(number)])


def are_alike(job: str, other: str) -> bool:
    """Return whether two ids that `job_id` made are of the same pool and priority."""
    return job.rsplit("-", 2)[0] == other.rsplit("-", 2)[0]


def job_day(job: str) -> tuple[date, int] | None:
    """Return the day and the number that `job_id` wrote into this id, None if it cannot have made it."""
    match = _JOB_ID.fullmatch(job)
    try:
        return (
            (datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=UTC).date(), int(match["number"]))
            if match
            else None
        )
    except ValueError:
        return None


def file_name(blob_name: str) -> str:
    """Return a file name for the node that keeps the blob's look and extension and none of its risks."""
    last = blob_name.rstrip("/").rpartition("/")[2]
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", _plain(last)).lstrip(".-")
    stem, dot, extension = safe.rpartition(".")
    if dot and len(extension) <= 16:
        return f"{stem[: _FILE_NAME_LENGTH - len(extension) - 1]}.{extension}" if stem else f"file.{extension}"
    return safe[:_FILE_NAME_LENGTH] or "file"


def folder_of(blob_name: str) -> str:
    """Return the folder that a blob lies in, with the slash at its end; empty: none."""
    folder, slash, _ = blob_name.rpartition("/")
    return folder + slash


def output_name(blob_name: str, task: str, file: str) -> str:
    """Return the output blob's name: `<blob name>/<task id>/<file>`, the blob name cut where that may be too long.

    All outputs of a task are in one folder: however long `file` is, the blob name is cut alike. A part `.` or `..` is
    written `%2E` or `%2E%2E`, so that the name leads nowhere else in any URL; slashes at the beginning, which nodes may
    leave out, are left out. The task id, which is a hash of the blob's true name, keeps apart what is cut or written
    alike.
    """
    folders = "/".join(blob_name.lstrip("/").split("/")[: MAX_BLOB_NAME_SEGMENTS - 1 - _FILE_SEGMENTS])
    plain = _DOT_SEGMENT.sub(lambda dots: dots[0].replace(".", "%2E"), folders)
    path = _cut(plain, MAX_BLOB_NAME_LENGTH - len(task) - 2 - MAX_OUTPUT_LENGTH)
    # The cut may have left one or two dots of a longer part.
    folder = _DOT_SEGMENT.sub("", path)
    return f"{folder}/{task}/{file}" if folder else f"{task}/{file}"


def has_dot_segment(blob_name: str) -> bool:
    """Return whether a URL with this name is another's: `a/../b` is `b`. A backslash counts as a slash.

    It makes no difference to encode the dots or the slashes: clients and Storage itself decode them first
    (https://github.com/Azure/azure-sdk-for-rust/issues/5275).
    """
    return _DOT_SEGMENT.search(blob_name) is not None


def is_ambiguous(blob_name: str) -> bool:
    """Return whether Storage may keep the name under another, so that only a listing shows its name.

    Beside dot segments and backslashes, which become slashes, these are parts that end with a dot: "No path segments
    should end with a dot" (https://learn.microsoft.com/rest/api/storageservices/
    naming-and-referencing-containers--blobs--and-metadata); the dots may be dropped.
    """
    return "\\" in blob_name or any(part.endswith(".") for part in blob_name.split("/"))


def storable(text: str) -> str:
    """Return a text that every service stores and every reply can hold: halves of surrogate pairs become a mark."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def is_blob_name(text: str) -> bool:
    """Return whether a blob can have this name: as long as allowed, without U+0000 and halves of surrogate pairs."""
    is_text = text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
    return is_text and "\0" not in text and 1 <= name_length(text) <= MAX_BLOB_NAME_LENGTH


def name_length(text: str) -> int:
    """Return the length of a name as the service counts: in units of UTF-16."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def fits_receipt(container: str, blob_name: str) -> bool:
    """Return whether the host can write its receipt for this blob, which it does in scan mode only.

    The receipt's name is `blobreceipts/<host id>/Host.Functions.submit_blob/"<ETag>"/<container>/<blob>`: five parts
    and, with a host id of 32 characters, 94 and the container's more than the blob's. If it cannot be written, the
    host stops (BlobReceiptManager in azure-sdk-for-net's Microsoft.Azure.WebJobs.Extensions.Storage.Blobs).
    """
    segments = blob_name.count("/") + 1
    length = name_length(blob_name) + len(container) + _RECEIPT_LENGTH
    return length <= MAX_BLOB_NAME_LENGTH and segments + _RECEIPT_SEGMENTS <= MAX_BLOB_NAME_SEGMENTS


def _cut(text: str, length: int) -> str:
    """Return the text's beginning of this `name_length`."""
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", errors="ignore")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _plain(name).lower())[:_SLUG_LENGTH].strip("-")


def _plain(text: str) -> str:
    """Take accents off letters; what else is not ASCII stays, for the caller to replace."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length - 9]}-{sha256(text.lower().encode()).hexdigest()[:8]}"
