"""Files are taken: dropped ones as their events come, others when the operator names them."""

import logging
from functools import partial

from batch_core.app import App
from batch_core.assignment import why_ignored
from batch_core.bookkeeping import after_closing
from batch_core.config.routes import Route
from batch_core.errors import BlobNotFound, InvalidRequest, NotAFile, NotNow, Unavailable
from batch_core.forgotten import may_be_forgotten
from batch_core.naming import BlobVersion, is_blob_name
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.submission import Submission
from batch_core.submit import submit, submit_again

logger = logging.getLogger(__name__)


async def take(app: App, container: str, name: str) -> None:
    """Take a file that was dropped into the input container; returns only when Batch has its task.

    Files that arrive while others are being submitted share their calls. Raises the `ServiceError` that fits, and
    `Unavailable` while the record is queued: the host delivers the event again.
    """
    if container != app.settings.input_container:
        # Event Grid's webhook filters nothing: a subscription without a filter reports outputs, too.
        logger.warning("An event is about container %r, which is not the input container.", container)
        return
    version = await version_to_take(app, name)
    if version is None:
        return
    submission = await app.arrivals.run(version, partial(submit, app, detected_by=DetectedBy.TRIGGER))
    await after_closing(app)
    record = submission.record
    # A file that waits for its rehydration, or for somebody to resume what is paused, waits for no event.
    if record.state is TaskState.QUEUED and record.obstacle is None and not await _is_paused(app, record):
        raise Unavailable(f"submitting blob {version.name!r}", detail=record.reason or "")


async def _is_paused(app: App, record: TaskRecord) -> bool:
    return (await app.pauses.current()).of(record.route) is not None


async def version_to_take(app: App, name: str) -> BlobVersion | None:
    """Return the present version of a file that an event is about; None, and a log line, if it is not to be taken.

    Raises the `ServiceError` that fits.
    """
    if why := why_ignored(app, name):
        logger.info("There is nothing to do: %s.", why)
        return None
    try:
        version = await app.inputs.version_of(name)
    except (BlobNotFound, NotAFile) as exc:
        logger.info("There is no file to take: %s", exc)
        return None
    except NotNow as exc:
        logger.info("The sweep takes it later: %s", exc)
        return None
    if not app.settings.intake.takes(version):
        logger.info("The settings say to leave blob %r alone.", version.name)
        return None
    if await may_be_forgotten(app, [version]):
        logger.warning("Blob %r is left alone: its record may have been removed. POST /api/tasks takes it.", name)
        return None
    return version


async def take_by_hand(
    app: App, name: str, *, is_forced: bool, route: str | None = None, asked_by: str | None = None
) -> Submission:
    """Submit a file that the operator names; forced, it gets a new attempt whatever became of the earlier ones.

    A route that the operator names takes the file whatever it is called; one that has its task already keeps it. Raises
    `BlobNotFound`, `NotAFile`, `NotNow` while it is being copied or if the routes ignore it, `InvalidRequest` for a
    route that does not exist or takes folders and no such file, `RoutesError` if one is named while they cannot be
    read, and `ServiceError`.
    """
    if not is_blob_name(name):
        raise BlobNotFound(f"{name[:100]!r} is no name of a blob")
    chosen = _chosen(app, name, route) if route is not None else None
    version = await app.inputs.version_of(name)
    if chosen is None and (why := why_ignored(app, name)):
        raise NotNow(f"{why}: {app.routes().remedy(name)}")
    if is_forced:
        return await submit_again(app, version, detected_by=DetectedBy.HTTP, chosen=chosen, asked_by=asked_by)
    (submission,) = await submit(
        app, [version], detected_by=DetectedBy.HTTP, is_urgent=True, chosen=chosen, asked_by=asked_by
    )
    await after_closing(app)
    return submission


def _chosen(app: App, blob_name: str, name: str) -> Route:
    routes = app.routes()
    if (route := routes.named(name)) is not None:
        if why := route.why_not_by_hand(blob_name):
            raise InvalidRequest([why])
        return route
    raise InvalidRequest([routes.why_no_route(name)])
