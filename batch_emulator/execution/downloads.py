"""Fetches resource files into a task's working directory, with bounded memory."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from batch_emulator.execution.blob_containers import ListedBlob, ListingError, blob_address, list_blobs, without_query
from batch_emulator.execution.identities import NoAccessError, accessible, auto_storage_url
from batch_emulator.execution.outcome import blob_failure, file_failure
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.regular_files import create
from batch_emulator.values.documents import Document
from batch_emulator.values.paths import is_inside
from batch_emulator.values.resource_files import DEFAULT_MODE, SOURCES

_CHUNK: Final = 256 * 1024
#: Waits before the second and third try of a download that failed for a passing reason.
_PAUSES: Final = (0.2, 1.0)
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class _PassingError(Exception):
    """Trying again may help."""


class Downloads:
    def __init__(self, session: aiohttp.ClientSession, account: StorageAccount | None) -> None:
        self._session = session
        self._account = account

    async def fetch(self, entry: Document, working: Path) -> None:
        """Download one resource file, or the blobs of a container. Raises RunError."""
        mode = int(entry.get("fileMode", DEFAULT_MODE), 8)
        source = self._source(entry)
        if "httpUrl" in entry:
            await self._fetch_file(source, entry["filePath"], working, mode)
            return
        folder = entry.get("filePath", ".")
        blobs = list_blobs(self._session, source, entry.get("blobPrefix", ""))
        async for blob in _translated(blobs, source, folder):
            file_path = f"{folder}/{blob.name}"
            if blob.is_folder:
                _make_folder(_target(working, file_path), file_path)
            else:
                await self._fetch_file(blob_address(source, blob.name), file_path, working, mode)

    def _source(self, entry: Document) -> str:
        """Return the URL to read from, with access. Raises RunError."""
        source: str = next(entry[name] for name in SOURCES if name in entry)
        try:
            if "autoStorageContainerName" in entry:
                return auto_storage_url(source, self._account)
            return accessible(source, entry, self._account)
        except NoAccessError as exc:
            file_path = entry.get("filePath", ".")
            raise blob_failure("BlobAccessDenied", without_query(source), file_path, str(exc)) from exc

    async def _fetch_file(self, url: str, file_path: str, working: Path, mode: int) -> None:
        target = _target(working, file_path)
        for pause in (*_PAUSES, None):
            try:
                await self._copy(url, file_path, target, mode)
            except (_PassingError, aiohttp.ClientError, TimeoutError) as exc:
                if pause is None:
                    reason = str(exc) if isinstance(exc, _PassingError) else type(exc).__name__
                    source = without_query(url)
                    raise blob_failure("BlobDownloadMiscError", source, file_path, reason) from exc
                await asyncio.sleep(pause)
            else:
                return

    async def _copy(self, url: str, file_path: str, target: Path, mode: int) -> None:
        # The URL is used as given: re-quoting would break the signature of a SAS.
        async with self._session.get(URL(url, encoded=True)) as response:
            _check(response.status, without_query(url), file_path)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with create(target) as file:
                    async for chunk in response.content.iter_chunked(_CHUNK):
                        file.write(chunk)
                    os.fchmod(file.fileno(), mode)
            except aiohttp.ClientError:
                raise
            except OSError as exc:
                code = "DiskFull" if exc.errno == errno.ENOSPC else "ResourceFileCreateFailed"
                raise file_failure(code, file_path, exc.strerror or str(exc)) from exc


def _make_folder(target: Path, file_path: str) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise file_failure("ResourceFileCreateFailed", file_path, exc.strerror or str(exc)) from exc


async def _translated(blobs: AsyncIterator[ListedBlob], container: str, folder: str) -> AsyncIterator[ListedBlob]:
    source = without_query(container)
    try:
        async for blob in blobs:
            yield blob
    except ListingError as exc:
        raise blob_failure(_code_of(exc.status), source, folder, str(exc)) from exc
    except aiohttp.ClientError as exc:
        reason = type(exc).__name__
        raise blob_failure("BlobDownloadMiscError", source, folder, reason) from exc


def _check(status: int, source: str, file_path: str) -> None:
    if status == HTTPStatus.OK:
        return
    reason = f"The storage service answered {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _PassingError(reason)
    raise blob_failure(_code_of(status), source, file_path, reason)


def _code_of(status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "BlobNotFound"
    return "BlobAccessDenied" if status in _DENIED else "BlobDownloadMiscError"


def _target(working: Path, file_path: str) -> Path:
    """Return where the file goes; a path that leaves the working directory is refused."""
    target = working / file_path
    if is_inside(file_path) and target.resolve().is_relative_to(working.resolve()):
        return target
    reason = "The path leaves the task's working directory"
    raise file_failure("ResourceFileCreateFailed", file_path, reason)
