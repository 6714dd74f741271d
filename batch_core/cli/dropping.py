"""`batchdrop drop`: files of this machine become blobs of the input container, and so tasks."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from batch_core.app import App
from batch_core.assignment import why_ignored
from batch_core.cli.awaiting import await_all
from batch_core.cli.drop_plan import Dropping, NotDropped, plan
from batch_core.cli.escaping import in_line
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.terminal import Terminal
from batch_core.naming import BlobVersion, task_id
from batch_core.services.uploading import upload

#: Files that are sent at the same time.
_AT_ONCE: Final = 8

_PATHS = "Files, which keep their names, and folders, whose files are named by their paths below them."
_PREFIX = "Put TEXT before each name as it is: with letters/, recipe.txt becomes letters/recipe.txt."
_WAIT = "Wait for their tasks, and print what they print; exit code 1 unless all succeed."
# A path that begins with a bracket is no JSON.
type _Paths = Annotated[list[Path], Parameter(help=_PATHS, name="PATH...", negative="", json_list=False)]


def drop(
    paths: _Paths,
    /,
    *,
    prefix: Annotated[str, Parameter(help=_PREFIX, metavar="TEXT", show_default=False)] = "",
    wait: Annotated[bool, Parameter(negative="", help=_WAIT, show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """Drop files and folders into the input container, and print the ids of their tasks.

    The app has to run to see them, as it does for any file there. A file of the same name is replaced.

    For example:
        batchdrop drop --wait recipe.txt
        batchdrop drop --prefix letters/ inbox more.txt
    """
    try:
        planned = plan(paths, prefix)
    except NotDropped as exc:
        # Nothing was asked of a service: the arguments are wrong.
        Terminal(is_json=options.json).say(str(exc))
        return 2
    return run(options, partial(drop_files, planned=planned, is_awaited=wait))


#: Is called with a number of bytes that was sent.
type _Noting = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class _Dropped:
    """A blob that was written, the id that its task has or would have, and why it has none, if so."""

    file: Path
    version: BlobVersion
    why_no_task: str | None

    @property
    def task_id(self) -> str:
        return task_id(self.version)


async def drop_files(session: Session, planned: Sequence[Dropping], *, is_awaited: bool) -> int:
    """Upload the files, and report where each went; if `is_awaited`, follow their tasks to their ends.

    Returns the exit code: 1 if one that was awaited did not succeed. Raises the first error, once what arrived is
    reported.
    """
    with _progress(session.terminal, planned) as note:
        dropped, error = await _upload_all(session.app, planned, note)
    # Below the progress, which draws over what is printed meanwhile. What arrived is reported first.
    for one in dropped:
        _report(session.terminal, one, is_awaited=is_awaited)
    if error is not None:
        raise error
    with_tasks = {one.task_id: one.version.name for one in dropped if one.why_no_task is None}
    return await _awaited(session, with_tasks) if is_awaited else 0


async def _awaited(session: Session, names: Mapping[str, str]) -> int:
    try:
        return await await_all(session, names)
    except asyncio.CancelledError:
        # By Ctrl-C, which ends this command and nothing else.
        session.terminal.say(f"\n{_run_on(list(names))}")
        raise


def _run_on(task_ids: Sequence[str]) -> str:
    if len(task_ids) == 1:
        (one,) = task_ids
        return f"the task runs on: `batchdrop logs -f {one}` follows it, `batchdrop cancel {one}` stops it"
    return "the tasks run on: `batchdrop list` shows them, `batchdrop logs -f TASK_ID` follows one"


def _report(terminal: Terminal, one: _Dropped, *, is_awaited: bool) -> None:
    name = in_line(one.version.name)
    if terminal.is_json:
        if not is_awaited or one.why_no_task:
            about = {"file": str(one.file), "container": one.version.container, "blob": one.version.name}
            identity = None if one.why_no_task else one.task_id
            terminal.document({**about, "task_id": identity, "why_no_task": one.why_no_task})
    elif one.why_no_task:
        terminal.say(f"{name} -> {one.version.container}, no task of its own: {in_line(one.why_no_task)}")
    else:
        # The result of a wait is what the command printed.
        terminal.say(f"{name} -> {one.version.container}" + (f", task {one.task_id}" if is_awaited else ""))
        if not is_awaited:
            terminal.line(one.task_id)


async def _upload_all(
    app: App, planned: Sequence[Dropping], note: _Noting
) -> tuple[list[_Dropped], BaseException | None]:
    """Upload some files at a time; markers of folders after their files, which are not taken by themselves.

    Returns those that arrived, and the first error, after which no more are begun.
    """
    markers = [one for one in planned if why_ignored(app, one.name) is None]
    others = [one for one in planned if why_ignored(app, one.name) is not None]
    dropped: list[_Dropped] = []
    for some in (others, markers):
        for first in range(0, len(some), _AT_ONCE):
            sending = [_upload(app, one, note) for one in some[first : first + _AT_ONCE]]
            ended = await asyncio.gather(*sending, return_exceptions=True)
            dropped += [one for one in ended if isinstance(one, _Dropped)]
            if errors := [one for one in ended if isinstance(one, BaseException)]:
                return dropped, errors[0]
    return dropped, None


async def _upload(app: App, one: Dropping, note: _Noting) -> _Dropped:
    noted = 0

    async def progressing(sent: int, _: int | None) -> None:
        nonlocal noted
        note(sent - noted)
        noted = sent

    try:
        with one.file.open("rb") as content:
            container = app.settings.input_container
            version = await upload(app.clients.blobs, container, one.name, content, progressing)
    except OSError as exc:
        raise NotDropped(f"cannot read {one.file}: {exc.strerror}") from exc
    # What is sent in one go is not noted before.
    note(version.size - noted)
    why_no_task = why_ignored(app, one.name) or app.settings.intake.why_left_alone(version)
    return _Dropped(file=one.file, version=version, why_no_task=why_no_task)


@contextmanager
def _progress(terminal: Terminal, planned: Sequence[Dropping]) -> Iterator[_Noting]:
    """Give what is called with each number of bytes that was sent: drawn on a terminal, and ignored elsewhere."""
    talk = terminal.talk
    if not talk.is_terminal:
        yield lambda _sent: None
        return
    columns = (TextColumn("{task.fields[what]}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    what = in_line(planned[0].name) if len(planned) == 1 else f"{len(planned)} files"
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("", total=sum(one.file.stat().st_size for one in planned), what=what)
        yield lambda sent: progress.advance(task, sent)
