"""Files in the directories of tasks, listed and read from the nodes in ranges."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from azure.batch.aio import BatchClient
from azure.batch.models import BatchError, BatchNodeFile
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.rest import AsyncHttpResponse

from batch_core.errors import Unexpected
from batch_core.naming import WORKING_DIRECTORY
from batch_core.sdk.error_reply import error_code
from batch_core.sdk.translation import translating
from batch_core.services.batch_reading import required_text, required_time
from batch_core.services.batch_values import FileProperties
from batch_core.services.call_limits import within_a_try
from batch_core.services.output_values import MOST_FILES, Extent, FilePage, FilePart, ListedFile

#: Of a file, in bytes, what is read without asking for room. The SDK reads in pieces of 4 KiB.
FREE: Final = 64 * 1024
#: Headers that every answer about a file has (https://learn.microsoft.com/rest/api/batchservice/file/get-from-task).
_FILE_HEADER: Final = "ocp-batch-file-"
_NO_FILE: Final = f"it has none of the headers that Batch gives a file ({_FILE_HEADER}...)"
#: Nodes with Windows may write backslashes.
_IN_WORKING_DIRECTORY: Final = re.compile(rf"{WORKING_DIRECTORY}[/\\](.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class TaskFile:
    """A file in the directory of a task."""

    job_id: str
    task_id: str
    name: str


class TaskFiles:
    """The files of tasks. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: BatchClient) -> None:
        self._client = client

    async def read_small(self, file: TaskFile, most: int, more: Callable[[], Awaitable[object]]) -> bytes | None:
        """Return a whole file; None if it has more than `most` bytes.

        Batch says no size where it gives the content, so `more` is awaited before more than `FREE` bytes of it are
        held. An empty file can be read in this way alone: it has no range.
        """
        with translating(f"reading {file.name} of task {file.task_id}"):
            return await (await self._answer(file)).small_content(most, more)

    async def read(self, file: TaskFile, start: int, length: int) -> bytes:
        """Return up to `length` bytes of a file from byte `start` on, less if the file ends before.

        What comes back counts as the file's content only if the answer has the headers that Batch gives a file, and is
        neither shorter than it says nor longer than what was asked for. Raises `Unexpected` otherwise.
        """
        with translating(f"reading {file.name} of task {file.task_id}"):
            try:
                answer = await self._answer(file, ocp_range=f"bytes={start}-{start + length - 1}")
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and error_code(exc) == "InvalidRange":
                    return b""
                raise
            return await answer.content(length)

    async def _answer(self, file: TaskFile, **options: Any) -> "_FileAnswer":  # noqa: ANN401 - the SDK's
        try:
            answer: Any = await self._client.download_task_file(
                file.job_id, file.task_id, file.name, cls=_FileAnswer.of, **options
            )
        except HttpResponseError as exc:
            # The SDK does not read the body of a streamed reply, not even of an error.
            await _read_error(exc)
            raise
        found: _FileAnswer = answer
        return found

    async def read_part(self, file: TaskFile, extent: Extent) -> FilePart:
        """Return a part of a file that may be growing: one call if the file ends in it, else two.

        Batch does not say of what size the whole is: a second call does. Raises as `read` does.
        """
        if extent.start is None:
            size = (await self.properties(file)).size
            start = extent.start_in(size)
            content = await self.read(file, start, extent.most) if size else b""
            return FilePart(start=start, content=content, size=max(size, start + len(content)))
        content = await self.read(file, extent.start, extent.most)
        end = extent.start + len(content)
        if 0 < len(content) < extent.most or end == 0:
            return FilePart(start=extent.start, content=content, size=end)
        size = (await self.properties(file)).size
        # It may have changed in between: what was read counts.
        return FilePart(start=extent.start, content=content, size=max(size, end) if content else min(size, end))

    async def in_working_directory(self, job_id: str, task_id: str) -> FilePage:
        """List the files of a task's working directory, with their names in it: one call.

        Of more than 1,000 files and directories Batch names the first.
        """
        with translating(f"listing the files of task {task_id}"):
            listed = self._client.list_task_files(
                job_id,
                task_id,
                recursive=True,
                filter=f"startswith(name, '{WORKING_DIRECTORY}')",
                max_results=MOST_FILES,
            )
            pages = listed.by_page()
            found = [_listed(file) async for file in await anext(pages)]
            has_more = bool(getattr(pages, "continuation_token", None))
            return FilePage(files=[file for file in found if file is not None], has_more=has_more)

    async def properties(self, file: TaskFile) -> FileProperties:
        """Return a file's size and time."""
        try:
            with translating(f"looking at {file.name} of task {file.task_id}"):
                found = await self._client.get_task_file_properties(file.job_id, file.task_id, file.name)
                if found.is_directory is None and found.url is None:
                    raise ValueError(_NO_FILE)
                return FileProperties(size=int(found.content_length), modified=required_time(found.last_modified))
        except Unexpected:
            # The code of an error is in its body, and an answer to HEAD has none: a request for the content says why.
            await self.read(file, 0, 1)
            raise


def _listed(file: BatchNodeFile) -> ListedFile | None:
    """Return a file of the working directory; None for a directory, and for what is elsewhere."""
    found = _IN_WORKING_DIRECTORY.fullmatch(required_text(file.name))
    if found is None or file.properties is None:
        return None
    # Nodes allow names that are no text; halves of surrogate pairs could not be written into a reply.
    name = found[1].encode(errors="replace").decode()
    return ListedFile(name=name, size=int(file.properties.content_length))


@dataclass(frozen=True)
class _FileAnswer:
    """An answer about a file: it counts only with the headers that Batch gives a file."""

    response: AsyncHttpResponse
    chunks: AsyncIterator[bytes]

    @classmethod
    def of(
        cls, response: PipelineResponse[Any, AsyncHttpResponse], chunks: AsyncIterator[bytes], _: Mapping[str, Any]
    ) -> "_FileAnswer":
        """Take what the SDK hands to a custom `cls`."""
        return cls(response=response.http_response, chunks=chunks)

    async def content(self, length: int) -> bytes:
        """Read the body, of at most `length` bytes; raises `ValueError` if it is not a file's, or is longer."""
        async with self._body() as content:
            if not await self._read(content, length):
                raise ValueError(f"more than the {length} bytes that were asked for came")
        return bytes(content)

    async def small_content(self, most: int, more: Callable[[], Awaitable[object]]) -> bytes | None:
        """Read the body; None if it has more than `most` bytes. Raises `ValueError` if it is not a file's."""
        async with self._body() as content:
            if not await self._read(content, min(FREE, most)):
                await more()
                if not await self._read(content, most):
                    return None
        return bytes(content)

    @asynccontextmanager
    async def _body(self) -> AsyncIterator[bytearray]:
        try:
            self._check()
            yield bytearray()
        finally:
            await self.response.close()

    async def _read(self, content: bytearray, most: int) -> bool:
        """Read on to the end, or until there are more than `most` bytes; returns whether that is the end."""
        async with within_a_try("reading the body"):
            async for chunk in self.chunks:
                content += chunk
                if len(content) > most:
                    return False
        return True

    def _check(self) -> None:
        if not any(name.lower().startswith(_FILE_HEADER) for name in self.response.headers):
            raise ValueError(_NO_FILE)


async def _read_error(exc: HttpResponseError) -> None:
    """Give the error of a streamed reply the code and the message that its body holds."""
    if isinstance(exc.response, AsyncHttpResponse):
        with suppress(ValueError, RecursionError):
            exc.model = BatchError(json.loads(await exc.response.read()))
