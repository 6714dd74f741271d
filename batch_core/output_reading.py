"""What a task has put out, read in parts: what its command prints and the files that it makes.

An open record's output is read from the node, where it grows, and from the output container if the node has lost it; a
final record's from the output container alone. Whatever its size, a part costs one read of the table and one or two
calls, and at most `MOST_BYTES` of memory. Where an open record's output cannot be read, up to five more calls find out
why: those of `live_task`, or one of them, a second look at the node and one at the container.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from batch_core.app import App
from batch_core.errors import Conflict, InvalidRequest, Missing, NotNow, OutputNotFound, Refused, ServiceError
from batch_core.live import live_task
from batch_core.naming import (
    MAX_BLOB_NAME_SEGMENTS,
    STDERR,
    STDOUT,
    WORKING_DIRECTORY,
    has_dot_segment,
    is_blob_name,
    output_name,
)
from batch_core.services.batch_errors import is_gone, is_out_of_reach, lacks_file
from batch_core.services.output_values import Extent, FilePage, FilePart, ListedFile
from batch_core.services.task_files import TaskFile
from batch_core.state.record import TaskRecord, TaskState

#: Batch's words for a task whose command does not run yet.
_NOT_STARTED: Final = frozenset({"active", "preparing"})
_RUNNING: Final = "running"
#: Of a name that an error repeats, in characters.
_LONGEST_SHOWN: Final = 200


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


_WHAT: Final = {Stream.STDOUT: "standard output", Stream.STDERR: "standard error"}


@dataclass(frozen=True, kw_only=True)
class Output:
    """A part of an output: `content` from byte `start` on, of `size` bytes in all so far.

    All of it is there once `state`, read before the content, is final. `etag` is None while it may grow.
    """

    start: int
    content: bytes = field(repr=False)
    size: int
    etag: str | None = None
    state: TaskState


@dataclass(frozen=True, kw_only=True)
class OutputFiles:
    """A page of a task's files: names relative to its working directory, sizes in bytes.

    `continuation` asks for the next page; `has_more` without it says that there are others, which are not listed.
    """

    files: Sequence[ListedFile]
    continuation: str | None
    has_more: bool
    state: TaskState


@dataclass(frozen=True, kw_only=True)
class _Ways[T]:
    """How something of a task is had: from its node, and from where it is kept afterwards; None: it is not there."""

    what: str
    on_node: Callable[[], Awaitable[T]]
    kept: Callable[[], Awaitable[T | None]]
    #: Whether every command that runs has it.
    is_certain: bool = False


async def read_printed(app: App, task_id: str, stream: Stream, extent: Extent) -> Output:
    """Return a part of what a task's command prints.

    Calls: the table; then, while the task runs, one of Batch for a part in which the file ends, else two; afterwards
    one of the container, or two for the last bytes and where there is nothing. None for a standard error of which the
    record says that it is empty.

    Raises `RecordNotFound`, `NotNow` for a task that has not started, `OutputNotFound` with the reason for output that
    was lost or never came, and the `ServiceError` that fits.
    """
    record = (await app.table.get(task_id)).record
    if stream is Stream.STDOUT:
        file, blob, size = STDOUT, record.stdout, record.stdout_size
    else:
        file, blob, size = STDERR, record.stderr, record.stderr_size
    if record.state.is_final and blob is None and size == 0:
        return _output(record, FilePart(start=extent.start_in(0), content=b"", size=0))
    ways = _ways(app, record, file, blob or output_name(record.blob, record.task_id, file), extent)
    return _output(record, await _found(app, record, replace(ways, what=_WHAT[stream], is_certain=True)))


async def read_file(app: App, task_id: str, name: str, extent: Extent) -> Output:
    """Return a part of a file that a task's command makes; `name` is relative to its working directory.

    Of a final record's files only those remain that the node has uploaded. Calls and errors are as with `read_printed`;
    for a name that no file can have, or that leads elsewhere, `OutputNotFound` is raised after the table's call alone.
    """
    record = (await app.table.get(task_id)).record
    blob = f"{record.files}{name}" if record.files else None
    if not _is_inside(name) or (blob and not _fits(blob)):
        raise OutputNotFound(f"no file of a task is called {name[:_LONGEST_SHOWN]!r}")
    ways = _ways(app, record, f"{WORKING_DIRECTORY}/{name}", blob, extent)
    return _output(record, await _found(app, record, replace(ways, what=f"file {name[:_LONGEST_SHOWN]!r}")))


async def list_files(app: App, task_id: str, continuation: str | None = None) -> OutputFiles:
    """List a task's files: those that the node has uploaded, or those of its working directory while it runs.

    Two calls: the table's, and one for up to 1,000 files. Only uploaded files go on in another page, and only theirs
    are the continuations that are understood: raises `InvalidRequest` for others. Else raises as `read_printed` does.
    """
    record = (await app.table.get(task_id)).record

    async def on_node() -> FilePage:
        return await app.files.in_working_directory(record.job_id, record.task_id)

    async def kept() -> FilePage | None:
        page = await _uploaded(app, record, continuation)
        return page if page.files or record.state.is_final else None

    page = await _found(app, record, _Ways(what="files", on_node=on_node, kept=kept))
    has_more = page.has_more or page.continuation is not None
    return OutputFiles(files=page.files, continuation=page.continuation, has_more=has_more, state=record.state)


def _output(record: TaskRecord, part: FilePart) -> Output:
    return Output(start=part.start, content=part.content, size=part.size, etag=part.etag, state=record.state)


def _ways(app: App, record: TaskRecord, file: str, blob: str | None, extent: Extent) -> _Ways[FilePart]:
    """Return how a part of a file is read: `file` is below the task's directory, `blob` None if it is never kept."""

    async def on_node() -> FilePart:
        return await app.files.read_part(TaskFile(job_id=record.job_id, task_id=record.task_id, name=file), extent)

    async def kept() -> FilePart | None:
        try:
            return await app.outputs.read(blob, extent) if blob else None
        except Missing:
            return None

    return _Ways(what=file, on_node=on_node, kept=kept)


def _is_inside(name: str) -> bool:
    """Return whether a name can only be that of a file below a folder: no part of it means a place."""
    return is_blob_name(name) and not has_dot_segment(name) and "\\" not in name and "" not in name.split("/")


def _fits(blob: str) -> bool:
    return is_blob_name(blob) and blob.count("/") < MAX_BLOB_NAME_SEGMENTS


async def _uploaded(app: App, record: TaskRecord, continuation: str | None) -> FilePage:
    if record.files is None:
        return FilePage()
    try:
        return await app.outputs.list_page(record.files, continuation)
    except Refused as exc:
        if continuation is None:
            raise
        raise InvalidRequest(["'continuation' is none that a list of this task's files gave"]) from exc


async def _found[T](app: App, record: TaskRecord, ways: _Ways[T]) -> T:
    """Return what is asked for from where a record of this state has it; raises `NotNow` and `OutputNotFound`."""
    if record.state is TaskState.QUEUED:
        raise _not_yet(record, ways.what, record.reason or "it is about to be handed to Batch")
    if record.state is TaskState.REJECTED:
        raise _not_found(record, ways.what, "it was rejected")
    if not record.state.is_final:
        return await _of_open(app, record, ways)
    if (kept := await ways.kept()) is None:
        raise _not_found(record, ways.what, "the output container does not hold it")
    return kept


async def _of_open[T](app: App, record: TaskRecord, ways: _Ways[T]) -> T:
    """Return what is on the node of a task, or is kept already if the node has it no more."""
    error: ServiceError
    try:
        return await ways.on_node()
    except (Missing, Conflict) as exc:
        error = exc
    live = await live_task(app, record)
    if live and (live.state in _NOT_STARTED or (live.state == _RUNNING and _is_to_come(error, ways))):
        raise _not_yet(record, ways.what, (record.cancel_requested_at and record.reason) or live.reason)
    if is_out_of_reach(error):
        # It may have started, and ended, since the node was asked.
        try:
            return await ways.on_node()
        except (Missing, Conflict) as exc:
            error = exc
    if (kept := await ways.kept()) is not None:
        return kept
    raise _not_found(record, ways.what, str(error)) if is_gone(error) or is_out_of_reach(error) else error


def _is_to_come[T](error: ServiceError, ways: _Ways[T]) -> bool:
    """Return whether a task that runs is about to have what its node did not have when it was asked."""
    return is_out_of_reach(error) or (ways.is_certain and lacks_file(error))


def _not_yet(record: TaskRecord, what: str, reason: str) -> NotNow:
    return NotNow(f"task {record.task_id} has no {what} yet: {reason}")


def _not_found(record: TaskRecord, what: str, why: str) -> OutputNotFound:
    """Return the error, with the record's reason, which may say more than that something was not found."""
    reason = f"; {record.reason}" if record.reason else ""
    return OutputNotFound(f"task {record.task_id} has no {what}: {why}{reason}")
