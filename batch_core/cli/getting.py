"""`batchdrop get`: what a task has put out, saved as files of a folder of this machine."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from batch_core.app import App
from batch_core.cli.counting import counted
from batch_core.cli.escaping import in_line
from batch_core.cli.finding import newest_task
from batch_core.cli.saving import saved_as
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.task_show import TaskName
from batch_core.cli.terminal import Terminal
from batch_core.errors import AppError, NotNow, OutputNotFound
from batch_core.naming import FILES_FOLDER, STDERR, STDOUT
from batch_core.output_reading import Output, Stream, list_files, read_file, read_printed
from batch_core.services.output_values import Extent
from batch_core.state.record import TaskRecord

#: Reads a part of an output.
type _Read = Callable[[Extent], Awaitable[Output]]
#: Is given how many bytes of how many have arrived.
type _Noting = Callable[[int, int], None]

_FOLDER = "Where the files are saved; else a folder that has the task's id as its name, in this one."


class NotWhole(AppError):
    """An output changed while it was read."""


def get(
    task: TaskName,
    folder: Annotated[Path | None, Parameter(help=_FOLDER, name="FOLDER")] = None,
    /,
    *,
    options: Options = DEFAULTS,
) -> int:
    """Save what a task prints (stdout.txt, stderr.txt) and the files that it makes (files/).

    Of a file, the newest attempt is meant. What is in the folder under the same names is replaced; nothing is written
    outside it. The exit code is 1 if something could not be saved.

    For example:
        batchdrop get recipe.txt results

    """
    return run(options, partial(_get, name=task, folder=folder))


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """An output, the name that it is saved under, and whether it may be missing."""

    name: str
    read: _Read
    is_optional: bool = False


async def _get(session: Session, name: str, folder: Path | None) -> int:
    app, terminal = session.app, session.terminal
    record = await newest_task(app, name)
    place, saved, problems = folder or Path(record.task_id), 0, 0
    if not record.state.is_final:
        terminal.say(f"task {record.task_id} is {record.state}: what it has put out so far is saved")
    async for wanted in _wanted(app, record, terminal):
        size, problem = await _saved(wanted, place, terminal)
        saved, problems = saved + (size is not None), problems + (problem is not None)
        _report(terminal, wanted.name, place, size, problem)
    if saved + problems == 0:
        terminal.say(f"task {record.task_id} has no output" + (f": {record.reason}" if record.reason else ""))
        return 1
    terminal.say(f"{counted(saved, 'file')} saved in {place}" + (f", {problems} not" if problems else ""))
    return 1 if problems else 0


def _report(terminal: Terminal, name: str, folder: Path, size: int | None, problem: str | None) -> None:
    if terminal.is_json:
        path = None if size is None else str(folder / name)
        if size is not None or problem is not None:
            terminal.document({"name": name, "path": path, "size": size, "problem": problem})
    elif problem is not None:
        terminal.say(f"{in_line(name)} was not saved: {in_line(problem)}")
    elif size is not None:
        terminal.line(in_line(str(folder / name)))


async def _wanted(app: App, record: TaskRecord, terminal: Terminal) -> AsyncIterator[_Wanted]:
    for stream, name in ((Stream.STDOUT, STDOUT), (Stream.STDERR, STDERR)):
        yield _Wanted(name=name, read=partial(read_printed, app, record.task_id, stream), is_optional=True)
    continuation = None
    while True:
        try:
            page = await list_files(app, record.task_id, continuation)
        except (NotNow, OutputNotFound):
            # What was printed says why.
            return
        for file in page.files:
            yield _Wanted(name=f"{FILES_FOLDER}/{file.name}", read=partial(read_file, app, record.task_id, file.name))
        continuation = page.continuation
        if continuation is None:
            if page.has_more:
                terminal.say("Batch lists no more files of a task that runs: get it again when it has ended")
            return


async def _saved(wanted: _Wanted, folder: Path, terminal: Terminal) -> tuple[int | None, str | None]:
    """Save an output; returns its size, else why it was not saved; neither of one that need not exist."""
    try:
        with _progress(terminal, wanted.name) as note:
            # Read first: of what does not exist no folder is made.
            part = await wanted.read(Extent(start=0))
            return await _written(wanted, part, folder, note), None
    except (OutputNotFound, NotNow) as exc:
        terminal.say_once(str(exc))
        return None, None if wanted.is_optional else str(exc)
    except OSError as exc:
        return None, exc.strerror or str(exc)
    except (ValueError, AppError) as exc:
        return None, str(exc)


async def _written(wanted: _Wanted, part: Output, folder: Path, note: _Noting) -> int:
    # What grows is read as far as it went when it was looked at first.
    size, etag, place = part.size, part.etag, 0
    with saved_as(folder, wanted.name) as file:
        while True:
            if part.start != place or part.etag != etag or (place < size and not part.content):
                raise NotWhole("it changed while it was read: get it again")
            file.write(part.content)
            place += len(part.content)
            note(place, size)
            if place >= size:
                return place
            part = await wanted.read(Extent(start=place))


@contextmanager
def _progress(terminal: Terminal, name: str) -> Iterator[_Noting]:
    talk = terminal.talk
    if not talk.is_terminal:
        yield lambda _place, _size: None
        return
    columns = (TextColumn("{task.fields[file]}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("", total=None, file=in_line(name))
        yield lambda place, size: progress.update(task, completed=place, total=size)
