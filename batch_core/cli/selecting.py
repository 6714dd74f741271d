"""Many tasks cancelled or retried by one command: counted, asked about, and carried out to the end."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter

from batch_core.cli.counting import counted
from batch_core.cli.escaping import in_line
from batch_core.cli.filters import Filters, as_options
from batch_core.cli.person import person
from batch_core.cli.questions import can_be_asked, is_wanted
from batch_core.cli.same_routes import require_same_routes
from batch_core.cli.session import Options, Session, run
from batch_core.cli.terminal import Terminal, Waiting
from batch_core.cli.usage import UsageError
from batch_core.errors import InvalidRequest, Unavailable
from batch_core.http.selections import count_reply, one_reply
from batch_core.selections import Wanted, carried_out, count, note
from batch_core.state.selections import Action, Selection

#: Another process is at it, or a service is away: how soon it is looked at again, in seconds.
POLL_SECONDS: Final = 1.0
_DOING: Final = {Action.CANCEL: "Cancel", Action.RETRY: "Retry"}
_DONE: Final = {Action.CANCEL: "cancelled", Action.RETRY: "retried"}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Care:
    """How careful a command on many tasks is."""

    dry_run: Annotated[bool, Parameter(negative="", help="Only count the tasks that match.", show_default=False)] = (
        False
    )
    yes: Annotated[bool, Parameter(negative="", help="Do it to all of them without asking.", show_default=False)] = (
        False
    )


CAREFUL = Care()


def select(action: Action, filters: Filters, care: Care, options: Options, *, is_own_meant: bool = False) -> int:
    """Do it to all tasks that match the filters, once somebody has said yes; raises `UsageError`.

    Attempts are made by the routes of here, which must be the app's unless `is_own_meant`.
    """
    if empty := filters.empty:
        # A script whose variable is not set has not meant all tasks.
        raise UsageError(f"--{empty[0]} is empty: leave it out to mean all")
    query = filters.query()
    wanted = Wanted(action=action, filter=query.wanted, day=query.day)
    try:
        wanted.check()
    except InvalidRequest as exc:
        raise UsageError(as_options(exc)) from exc
    terminal = Terminal(is_json=options.json)
    # Asked outside an event loop, in which Ctrl-C would not end a question.
    number, is_all = run(options, partial(_count, wanted=wanted), terminal)
    if care.dry_run:
        _report_count(terminal, number, is_all=is_all)
        return 0
    if number == 0 and is_all:
        terminal.say("no such task")
        return 0
    tasks, nothing = _tasks(number, is_all=is_all), f"Nothing was {_DONE[action]}"
    if not care.yes and not can_be_asked():
        terminal.say(
            f"{nothing}: {tasks} would be, and there is no terminal to ask at. Say --yes to do it, or --dry-run to"
            " count only."
        )
        return 2
    if not care.yes and not is_wanted(f"{_DOING[action]} {tasks}?", nothing):
        terminal.say(f"{nothing}.")
        return 0
    return run(options, partial(_carry_out, wanted=wanted, is_own_meant=is_own_meant), terminal)


async def _count(session: Session, wanted: Wanted) -> tuple[int, bool]:
    return await count(session.app, wanted)


def _report_count(terminal: Terminal, number: int, *, is_all: bool) -> None:
    if terminal.is_json:
        terminal.document(count_reply(number, is_all=is_all).document)
    else:
        terminal.line(_tasks(number, is_all=is_all))


def _tasks(number: int, *, is_all: bool) -> str:
    return counted(number, "task") + ("" if is_all else " or more")


async def _carry_out(session: Session, wanted: Wanted, *, is_own_meant: bool) -> int:
    """Go on until all is done: the app's ticks work on it, too, and do the rest after a Ctrl-C."""
    if wanted.action is Action.RETRY:
        await require_same_routes(session.app, is_own_meant=is_own_meant)
    selection = await note(session.app, wanted, person())
    with session.terminal.waiting() as waiting:
        while selection.finished_at is None:
            selection = await _further(session, selection, waiting)
    _report(session.terminal, selection)
    return 1 if selection.refused else 0


async def _further(session: Session, selection: Selection, waiting: Waiting) -> Selection:
    try:
        async for further in carried_out(session.app, selection):
            selection = further
            if selection.finished_at is None:
                waiting.show(f"{selection.done} {_DONE[selection.action]} so far; Ctrl-C leaves the rest to the app")
        if selection.finished_at is None:
            # Another process is at it.
            await asyncio.sleep(POLL_SECONDS)
            return await session.app.selections.get(selection.selection_id)
    except Unavailable as exc:
        waiting.show(f"{exc}; waiting...")
        await asyncio.sleep(POLL_SECONDS)
    return selection


def _report(terminal: Terminal, selection: Selection) -> None:
    if terminal.is_json:
        terminal.document(one_reply(selection).document)
    else:
        terminal.line(f"{_tasks(selection.done, is_all=True)} {_DONE[selection.action]}")
    if selection.refused:
        refused = f"{_tasks(selection.refused, is_all=True)} could not be"
        terminal.say(f"{refused}; the last one: {in_line(selection.refusal or '')}")
