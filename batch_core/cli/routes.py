"""What the routes say, for a person: whether the file is right, and what would become of a file."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from batch_core.app import App
from batch_core.cli.terminal import Terminal
from batch_core.config.route_order import unreachable
from batch_core.config.routes import SETTINGS_ROUTE, Resource, Route, Unmatched
from batch_core.config.routes_file import json_schema
from batch_core.config.setting_references import is_only_references
from batch_core.config.settings import RoutesSettings, Settings
from batch_core.config.task_command import command_warnings
from batch_core.errors import InputRefused, RoutesError
from batch_core.naming import BlobVersion
from batch_core.services.batch import task_document
from batch_core.state.record import DetectedBy
from batch_core.submit import new_record
from batch_core.task import batch_task

_HIDDEN: Final = "(hidden)"


def check(app: App, terminal: Terminal, name: str | None = None) -> int:
    """Print the routes in their order, of the settings' file or of another; notes say what is right and hardly meant.

    Raises `RoutesError` with every problem of the file, also if another one does not exist.
    """
    settings = app.settings if name is None else _with_file(app.settings, Path(name))
    routes, file = app.route_book.routes(settings), settings.routes.file
    own = [route for route in routes.routes if route.name != SETTINGS_ROUTE]
    if terminal.is_json:
        listed = [_listed(route) for route in own]
        terminal.document({"file": str(file), "routes": listed, "unmatched": routes.unmatched, "notes": _notes(own)})
        return 0
    if not own:
        terminal.line(f"There are no routes: {file.name} does not exist or has none. {_REST[routes.unmatched]}")
        return 0
    terminal.line(f"{file.name} is right. The first route that matches takes a file:")
    for route in own:
        terminal.line(f"  {route.name} ({route.digest}): {', '.join(route.globs)} -> pool {route.job_kind.pool_id}")
    for line in [_REST[routes.unmatched], *_notes(own)]:
        terminal.line(line)
    return 0


def _listed(route: Route) -> dict[str, object]:
    return {
        "name": route.name,
        "digest": route.digest,
        "match": list(route.globs),
        "pool": route.job_kind.pool_id,
    }


def _with_file(settings: Settings, file: Path) -> Settings:
    if not file.is_file():
        raise RoutesError([f"there is no file {str(file)!r}"])
    return replace(settings, routes=RoutesSettings(file=file.absolute(), is_required=True))


def _notes(routes: Sequence[Route]) -> list[str]:
    reached = [
        f"Note: route {later.name!r} takes no file unless it is named: route {earlier.name!r}, which is before it,"
        " takes all that it matches."
        for later, earlier in unreachable(routes)
    ]
    commands = [
        f"Note: {warning}."
        for route in routes
        for warning in command_warnings(route.command_line, f"the command of route {route.name!r}")
    ]
    return reached + commands


_REST: Final = {
    Unmatched.SETTINGS: "Other files: the settings (TASK_COMMAND_LINE on the pool BATCH_POOL_ID).",
    Unmatched.IGNORE: "Other files are left alone.",
    Unmatched.REJECT: "Other files are rejected.",
}


def schema() -> int:
    """Print the JSON Schema of the file."""
    print(json.dumps(json_schema(), indent=2))
    return 0


async def match(app: App, terminal: Terminal, name: str, chosen: str | None) -> int:
    """Print which route takes a blob of this name, and why, and its Batch task as JSON.

    Returns 1 if none does, or if no task can be made. Nothing in it is a secret: settings are shown by their names, as
    the file has them; signatures of URLs and the values of environment variables are hidden. Raises `ServiceError` if
    the folder of a marker cannot be listed.
    """
    routes = app.routes()
    if chosen is None and (folder_route := routes.folder_route(name)):
        why = "it makes no task of its own, but is part of its folder's when the marker comes"
        return _matched(terminal, folder_route.name, f"{folder_route.name}: {why}")
    route = routes.for_blob(name) if chosen is None else routes.named(chosen)
    if route is None:
        why = f"no route: {_REST[routes.unmatched]}" if chosen is None else f"there is no route {chosen!r}"
        return _matched(terminal, None, why, code=1)
    if chosen is not None and (refusal := route.why_not_by_hand(name)):
        return _matched(terminal, route.name, refusal, code=1)
    why = _why(route, name, chosen)
    if not terminal.is_json:
        # Said before Storage is asked for what is in a folder.
        terminal.line(why)
    try:
        document = await _document(app, name, route)
    except InputRefused as exc:
        return _matched(terminal, route.name, f"No task can be made now: {exc}", code=1)
    if terminal.is_json:
        terminal.document({"route": route.name, "why": why, **document})
    else:
        terminal.line(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def _matched(terminal: Terminal, route: str | None, why: str, code: int = 0) -> int:
    """Say why a name makes no task, and return the exit code."""
    if terminal.is_json:
        terminal.document({"route": route, "why": why, "task": None})
    else:
        terminal.line(why)
    return code


def _why(route: Route, name: str, chosen: str | None) -> str:
    if chosen is not None:
        return f"{route.name}: it was named"
    if route.name == SETTINGS_ROUTE:
        return "no route matches: the settings take it"
    return f"{route.name}: its glob {route.match_of(name)!r} matches"


def _bare(url: str) -> str:
    """Return a URL without its query and its user, which may be secret; names of settings stay."""
    address, question, query = url.partition("?")
    scheme, slashes, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if not is_only_references(user.replace(":", "", 1)):
        user = _HIDDEN
    if not is_only_references(query):
        query = _HIDDEN
    return f"{scheme}{slashes}{user}{at}{host}{slash}{path}{question}{query}"


def _as_said(route: Route) -> Route:
    """Return the route with what the file says of it, in which values of settings are names."""
    texts = ("url", "container", "auto_storage", "prefix", "path")
    resources = tuple(
        Resource(**{text: str(said[text]) for text in texts}, uses_identity=bool(said["identity"]))
        for said in route.said_resources
    )
    return replace(route, resources=resources, verbatim=route.said_verbatim)


async def _document(app: App, name: str, route: Route) -> dict[str, Any]:
    container = app.settings.input_container
    version = BlobVersion(container=container, name=name, etag="0x0", last_modified=app.now(), size=0)
    record = new_record(app, version, DetectedBy.HTTP, 1)
    task = await batch_task(record, _as_said(route), app.settings.task, app.inputs, app.outputs)
    shown = replace(
        task,
        resources=[replace(one, url=_bare(one.url), container_url=_bare(one.container_url)) for one in task.resources],
        uploads=[replace(one, container_url=_bare(one.container_url)) for one in task.uploads],
        environment={name: _HIDDEN if name in route.environment else value for name, value in task.environment.items()},
    )
    return {"pool": route.job_kind.pool_id, "priority": route.job_kind.priority, "task": task_document(shown)}
