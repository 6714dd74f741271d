"""`batchdrop pause`, `pauses` and `resume`: files wait, and go on."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from batch_core.cli.escaping import in_line
from batch_core.cli.person import person
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.terminal import Entry
from batch_core.cli.usage import UsageError
from batch_core.http.pauses import paused_document
from batch_core.pausing import pause as begin_pause
from batch_core.pausing import resume as end_pause
from batch_core.state.pauses import Paused

type _Route = Annotated[str | None, Parameter(help="A route; without one, all files are meant.", name="ROUTE")]
_RESUMED = "A route; without one, the intake is meant, and routes that are paused stay so."
_ALL = "End every pause, of the intake and of all routes."


def pause(route: _Route = None, /, *, options: Options = DEFAULTS) -> int:
    """Stop handing files to Batch, all of them or a route's; print what is paused.

    Files that come meanwhile are recorded, and wait. What Batch has already runs on. An app that runs heeds it within
    five seconds. `pauses` only looks.

    For example:
        batchdrop pause
        batchdrop pause letters

    """
    return run(options, partial(_pause, route=route))


def pauses(*, options: Options = DEFAULTS) -> int:
    """List what is paused, since when and by whom.

    For example:
        batchdrop pauses
        batchdrop pauses --json | jq .intake

    """
    return run(options, _pauses)


def resume(
    route: Annotated[str | None, Parameter(help=_RESUMED, name="ROUTE")] = None,
    /,
    *,
    is_all: Annotated[bool, Parameter(name="--all", negative="", help=_ALL, show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """Resume the intake or a route; say what is resumed, and what is still paused.

    Files that wait are handed to Batch by the app's next tick (SWEEP_SCHEDULE).

    For example:
        batchdrop resume letters
        batchdrop resume --all

    """
    if is_all and route is not None:
        raise UsageError(f"--all ends every pause: leave out {route!r}")
    return run(options, partial(_resume, route=route, is_all=is_all))


async def _pause(session: Session, route: str | None) -> int:
    return _report(session, await begin_pause(session.app, route, person()))


async def _pauses(session: Session) -> int:
    return _report(session, await session.app.pauses.current())


async def _resume(session: Session, route: str | None, *, is_all: bool) -> int:
    before = await session.app.pauses.current()
    ending = _all_of(before) if is_all else [route]
    for one in ending:
        await end_pause(session.app, one)
    after = await session.app.pauses.current()
    if session.terminal.is_json:
        session.terminal.document(paused_document(after))
    else:
        session.terminal.line(_resumed(before, after, route))
    return 0


def _all_of(paused: Paused) -> list[str | None]:
    return [*([None] if paused.intake else []), *sorted(paused.routes)]


def _resumed(before: Paused, after: Paused, route: str | None) -> str:
    """Say what went on, and what does not."""
    still = _all_of(after)
    ended = [one for one in _all_of(before) if one not in still]
    if ended:
        resumed = f"resumed: {_names(ended)}"
    else:
        resumed = f"{_names([route])} was not paused" if _all_of(before) else "nothing was paused"
    return resumed + (f"; still paused: {_names(still)}" if still else "")


def _names(routes: Sequence[str | None]) -> str:
    return ", ".join("the intake" if route is None else f"route {in_line(route)}" for route in routes)


def _report(session: Session, paused: Paused) -> int:
    document = paused_document(paused)
    if session.terminal.is_json:
        session.terminal.document(document)
        return 0
    session.terminal.show(*paused_entries(document))
    if paused == Paused():
        session.terminal.say("nothing is paused")
    return 0


def paused_entries(paused: Mapping[str, Any]) -> list[Entry]:
    """Return what is paused, as the HTTP API has it, for a view."""
    intake = {"the intake": paused["intake"]} if paused["intake"] else {}
    routes = {f"route {name}": pause for name, pause in paused["routes"].items()}
    pauses_of = {**intake, **routes}
    return [Entry(about="paused", text=f"{what}, since {_since(pause)}") for what, pause in pauses_of.items()]


def _since(pause: Mapping[str, Any]) -> str:
    by = f", by {pause['asked_by']}" if pause["asked_by"] else ""
    return f"{pause['since']:%Y-%m-%d %H:%M:%S} UTC{by}"
