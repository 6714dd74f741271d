"""A task that a person makes here is made by the routes of here: it should be what the app would have made.

`submit`, `retry` and `sweep` work without the app, by `routes.toml` and the settings of this command line. Where these
are not the deployed ones, another command would run, and the record would say that all went well. So the app's ticks
note which routes they go by, and these commands compare them.
"""

from typing import Annotated

from cyclopts import Parameter

from batch_core.app import App
from batch_core.cli.usage import UsageError
from batch_core.errors import RoutesError, ServiceError

type OwnRoutes = Annotated[
    bool,
    Parameter(
        negative="", help="Go by the routes and the command of here, though the app's differ.", show_default=False
    ),
]


async def require_same_routes(app: App, *, is_own_meant: bool) -> None:
    """Raise `UsageError` if the app goes by other routes than this command line, unless these are meant."""
    if is_own_meant:
        return
    try:
        theirs, ours = await app.statistics.routes_digest(app.now()), app.routes().digest
    except (ServiceError, RoutesError):
        # Whatever that is, what follows says so.
        return
    if theirs and theirs != ours:
        raise UsageError(
            "the app goes by other routes than this command line, so another command would run: bring its"
            f" {app.settings.routes.file.name} and settings here, or deploy those of here; the dashboard and the HTTP"
            " API go by the app's; --own-routes goes by those of here all the same"
        )
