"""Uploads a task's output files when its command has ended.

https://learn.microsoft.com/azure/batch/batch-task-output-files
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import aiohttp

from batch_emulator.execution.blob_containers import blob_address, without_query
from batch_emulator.execution.blob_upload import UploadError, put_file
from batch_emulator.execution.directories import RunDirectory
from batch_emulator.execution.environment import NODE_MARK
from batch_emulator.execution.file_patterns import Match, expand_variables, find_matches, has_wildcards
from batch_emulator.execution.identities import NoAccessError, accessible
from batch_emulator.execution.outcome import Failure, upload_failure
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.regular_files import create
from batch_emulator.values.documents import Document
from batch_emulator.values.states import UploadCondition
from batch_emulator.values.timestamps import to_wire

_MISC: Final = "FileUploadMiscError"
_CODES: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "FileUploadContainerNotFound",
    HTTPStatus.UNAUTHORIZED: "FileUploadAccessDenied",
    HTTPStatus.FORBIDDEN: "FileUploadAccessDenied",
}


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What a command left behind."""

    directory: RunDirectory
    environment: Mapping[str, str]
    succeeded: bool


@dataclass(frozen=True, kw_only=True)
class _Log:
    """The two files in which an upload logs what it did. They never hold SAS tokens."""

    out: TextIOWrapper
    err: TextIOWrapper

    def note(self, text: str) -> None:
        self.out.write(f"{_now()} {text}\n")

    def complain(self, text: str) -> None:
        self.err.write(f"{_now()} {text}\n")


class Uploads:
    def __init__(self, session: aiohttp.ClientSession, account: StorageAccount | None) -> None:
        self._session = session
        self._account = account

    async def send(self, output_files: Iterable[Document], remains: Remains) -> Failure | None:
        """Upload what is due now; return the first failure. The others are tried nevertheless."""
        due = [entry for entry in output_files if _is_due(entry, succeeded=remains.succeeded)]
        if not due:
            return None
        found = [await asyncio.to_thread(_find, entry, remains) for entry in due]
        try:
            with _open(remains.directory.upload_out) as out, _open(remains.directory.upload_err) as err:
                log = _Log(out=out, err=err)
                failures = [await self._send_all(entry, files, log) for entry, files in zip(due, found, strict=True)]
        except OSError as exc:
            return upload_failure(_MISC, remains.directory.upload_out.name, exc.strerror or str(exc))
        return next(filter(None, failures), None)

    async def _send_all(self, entry: Document, files: list[Match], log: _Log) -> Failure | None:
        log.note(f"{len(files)} files match {entry['filePattern']}")
        results = [await self._send_one(entry, file, log) for file in files]
        return next(filter(None, results), None)

    async def _send_one(self, entry: Document, file: Match, log: _Log) -> Failure | None:
        container = entry["destination"]["container"]
        name = _blob_name(entry["filePattern"], container.get("path", ""), file)
        target = without_query(blob_address(container["containerUrl"], name))
        try:
            url = blob_address(accessible(container["containerUrl"], container, self._account), name)
            size = await put_file(self._session, file.path, url, _headers(container))
        except UploadError as exc:
            failure = upload_failure(_CODES.get(exc.status, _MISC), file.name, str(exc))
        except NoAccessError as exc:
            failure = upload_failure("FileUploadAccessDenied", file.name, str(exc))
        except OSError as exc:
            failure = upload_failure(_MISC, file.name, exc.strerror or str(exc))
        else:
            log.note(f"Uploaded {file.name} to {target} ({size} bytes)")
            return None
        log.complain(f"{failure.code}: {file.name} to {target}: {failure.details[-1][1]}")
        return failure


def _is_due(entry: Document, *, succeeded: bool) -> bool:
    met = UploadCondition.TASK_SUCCESS if succeeded else UploadCondition.TASK_FAILURE
    return entry["uploadOptions"]["uploadCondition"] in {met, UploadCondition.TASK_COMPLETION}


def _find(entry: Document, remains: Remains) -> list[Match]:
    pattern = expand_variables(entry["filePattern"], remains.environment)
    return find_matches(pattern, remains.directory.working, Path(remains.environment[NODE_MARK]))


def _blob_name(pattern: str, path: str, file: Match) -> str:
    """Return the blob's name: `path` itself for one file, below `path` for a pattern."""
    folder = path.strip("/")
    if not folder:
        return file.name
    return f"{folder}/{file.name}" if has_wildcards(pattern) else folder


def _headers(container: Document) -> dict[str, str]:
    return {header["name"]: header.get("value", "") for header in container.get("uploadHeaders", ())}


def _open(path: Path) -> TextIOWrapper:
    """Replace the file: the task could have put anything in its place."""
    return TextIOWrapper(create(path), encoding="utf-8", errors="backslashreplace")


def _now() -> str:
    return to_wire(datetime.now(UTC))
