"""What the routes say, for a person: whether the file is right, and what would become of a file."""

import json
from dataclasses import replace
from typing import Any, Final

from batch_core.app import App
from batch_core.config.routes import SETTINGS_ROUTE, Route, Unmatched
from batch_core.config.routes_file import json_schema
from batch_core.errors import InputRefused
from batch_core.naming import BlobVersion
from batch_core.services.batch import task_document
from batch_core.state.record import DetectedBy
from batch_core.submit import new_record
from batch_core.task import batch_task

_HIDDEN: Final = "(hidden)"


def check(app: App) -> int:
    """Print the routes in their order; raises `RoutesError` with every problem of the file."""
    routes, file = app.routes(), app.settings.routes.file
    own = [route for route in routes.routes if route.name != SETTINGS_ROUTE]
    if not own:
        print(f"There are no routes: {file.name} does not exist or has none. {_REST[routes.unmatched]}")
        return 0
    print(f"{file.name} is right. The first route that matches takes a file:")
    for route in own:
        print(f"  {route.name} ({route.digest}): {', '.join(route.globs)} -> pool {route.job_kind.pool_id}")
    print(_REST[routes.unmatched])
    return 0


_REST: Final = {
    Unmatched.SETTINGS: "Other files: the settings (TASK_COMMAND_LINE on the pool BATCH_POOL_ID).",
    Unmatched.IGNORE: "Other files are left alone.",
    Unmatched.REJECT: "Other files are rejected.",
}


def schema() -> int:
    """Print the JSON Schema of the file."""
    print(json.dumps(json_schema(), indent=2))
    return 0


async def match(app: App, name: str, chosen: str | None) -> int:
    """Print which route takes a blob of this name, and why, and its Batch task as JSON; return 1 if none does.

    Nothing in it is a secret: the signature of the input's URL and the values of environment variables are hidden.
    """
    routes = app.routes()
    if chosen is None and (folder_route := routes.folder_route(name)):
        print(f"{folder_route.name}: it makes no task of its own, but is part of its folder's when the marker comes")
        return 0
    for route in routes.routes:
        if chosen is None and (glob := route.match_of(name)) is None:
            continue
        if chosen is not None and route.name != chosen:
            continue
        print(f"{route.name}: {f'its glob {glob!r} matches' if chosen is None else 'it was named'}")
        try:
            print(json.dumps(await _document(app, name, route), indent=2, ensure_ascii=False))
        except InputRefused as exc:
            print(f"No task can be made now: {exc}")
            return 1
        return 0
    print(f"no route: {_REST[routes.unmatched]}" if chosen is None else f"there is no route {chosen!r}")
    return 1


def _bare(url: str) -> str:
    """Return a URL without its query, which may be a signature."""
    address, question, _ = url.partition("?")
    return address + (f"?{_HIDDEN}" if question else "")


async def _document(app: App, name: str, route: Route) -> dict[str, Any]:
    container = app.settings.input_container
    version = BlobVersion(container=container, name=name, etag="0x0", last_modified=app.now(), size=0)
    record = new_record(app, version, DetectedBy.HTTP, 1)
    task = await batch_task(record, route, app.settings.task, app.inputs, app.outputs)
    shown = replace(
        task,
        resources=[replace(one, url=_bare(one.url), container_url=_bare(one.container_url)) for one in task.resources],
        uploads=[replace(one, container_url=_bare(one.container_url)) for one in task.uploads],
        verbatim=route.said_verbatim,
        environment={name: _HIDDEN if name in route.environment else value for name, value in task.environment.items()},
    )
    return {"pool": route.job_kind.pool_id, "priority": route.job_kind.priority, "task": task_document(shown)}
