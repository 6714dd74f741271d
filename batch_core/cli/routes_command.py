"""`batchdrop routes`: its actions and what each of them takes."""

from functools import partial
from typing import Annotated, Literal

from cyclopts import Parameter

from batch_core.cli import routes as route_views
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.usage import UsageError

type Action = Literal["check", "match", "schema"]
_NAME = "match: the blob's name, which need not exist; check: another file than the settings'."
_ACTION = "Check the file, match a blob's name, or print the JSON Schema of the file for editors."


def routes(
    action: Annotated[Action, Parameter(help=_ACTION, show_choices=False)],
    name: Annotated[str | None, Parameter(help=_NAME, name="NAME")] = None,
    /,
    *,
    route: Annotated[str | None, Parameter(help="match: the task as this route makes it.", metavar="ROUTE")] = None,
    options: Options = DEFAULTS,
) -> int:
    """Check the file of routes, or show what would become of a file.

    For example:
        batchdrop routes check
        batchdrop routes match letters/recipe.txt
        batchdrop routes schema > routes.schema.json

    """
    if action == "match" and not name:
        raise UsageError("routes match NAME: the name of the blob is missing")
    if action == "schema" and name is not None:
        raise UsageError(f"routes schema takes no name and no file: {name}")
    if action != "match" and route is not None:
        raise UsageError(f"--route is for routes match, not for routes {action}")
    if action == "schema":
        # It needs no settings.
        return route_views.schema()
    return run(options, partial(_routes, action=action, name=name, route=route), says_accounts=True)


async def _routes(session: Session, *, action: str, name: str | None, route: str | None) -> int:
    if action == "check":
        return route_views.check(session.app, session.terminal, name)
    return await route_views.match(session.app, session.terminal, name or "", route)
