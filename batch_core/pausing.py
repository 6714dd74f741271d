"""A person pauses the intake, or a route, and resumes it.

Files that come meanwhile are recorded, wait as `queued` with that reason, and go on with the next tick once it is
resumed. What Batch has already runs on.
"""

from contextlib import suppress

from batch_core.app import App
from batch_core.errors import InvalidRequest, NotNow, RoutesError
from batch_core.state.pauses import Pause, Paused


async def pause(app: App, route: str | None, asked_by: str | None = None) -> Paused:
    """Pause the intake, or a route, and return all pauses; one that is paused already stays so.

    Raises `InvalidRequest` for a route that there is not, `NotNow` while the routes cannot be read, and `ServiceError`.
    """
    if route is not None:
        _check(app, route)
    await app.pauses.begin(Pause(route=route, since=app.now(), asked_by=asked_by))
    return await app.pauses.read()


async def resume(app: App, route: str | None) -> Paused:
    """Let the intake, or a route, go on, and return what is still paused; idempotent.

    Raises `InvalidRequest` for what is neither a route nor paused, and `ServiceError`.
    """
    if route is not None and route not in (await app.pauses.read()).routes:
        # While the routes cannot be read, any name may be one.
        with suppress(NotNow):
            _check(app, route)
    await app.pauses.end(route)
    return await app.pauses.read()


def _check(app: App, route: str) -> None:
    try:
        routes = app.routes()
    except RoutesError as exc:
        raise NotNow(f"which routes there are is not known: {exc}") from exc
    if routes.named(route) is None:
        raise InvalidRequest([routes.why_no_route(route)])
