"""`batchdrop pause` and `resume`: files wait, and go on."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from batch_core.cli.escaping import in_line
from batch_core.cli.person import person
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.http.pauses import paused_document
from batch_core.pausing import pause as begin_pause
from batch_core.pausing import resume as end_pause
from batch_core.state.pauses import Paused

type _Route = Annotated[str | None, Parameter(help="A route; without one, all files are meant.", name="ROUTE")]


def pause(route: _Route = None, /, *, options: Options = DEFAULTS) -> int:
    """Hand no more files to Batch, or none of a route; print what is paused.

    Files that come meanwhile are recorded, and wait. What Batch has already runs on. An app that runs heeds it within
    five seconds.

    For example:
        batchdrop pause
        batchdrop pause letters

    """
    return run(options, partial(_pause, route=route))


def resume(route: _Route = None, /, *, options: Options = DEFAULTS) -> int:
    """Let files go on after a pause, or those of a route; print what is still paused.

    Those that wait are handed to Batch by the app's next tick (SWEEP_SCHEDULE).

    For example:
        batchdrop resume letters

    """
    return run(options, partial(_resume, route=route))


async def _pause(session: Session, route: str | None) -> int:
    return _report(session, await begin_pause(session.app, route, person()))


async def _resume(session: Session, route: str | None) -> int:
    return _report(session, await end_pause(session.app, route))


def _report(session: Session, paused: Paused) -> int:
    document = paused_document(paused)
    if session.terminal.is_json:
        session.terminal.document(document)
        return 0
    for line in paused_lines(document):
        session.terminal.line(line)
    if paused == Paused():
        session.terminal.say("nothing is paused")
    return 0


def paused_lines(paused: Mapping[str, Any]) -> list[str]:
    """Return what is paused, as the HTTP API has it, in lines."""
    intake = {"the intake": paused["intake"]} if paused["intake"] else {}
    routes = {f"route {in_line(name)}": pause for name, pause in paused["routes"].items()}
    return [f"paused      {what}, since {_since(pause)}" for what, pause in {**intake, **routes}.items()]


def _since(pause: Mapping[str, Any]) -> str:
    by = f", by {in_line(pause['asked_by'])}" if pause["asked_by"] else ""
    return f"{pause['since']:%Y-%m-%d %H:%M:%S} UTC{by}"
