"""Files are taken: dropped ones as their events come, others when the operator names them."""

import logging
from functools import partial

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotAFile, NotNow, Unavailable
from batch_core.naming import BlobVersion
from batch_core.state.record import DetectedBy, TaskState
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
    # A file that waits for its rehydration waits for no event.
    if submission.record.state is TaskState.QUEUED and submission.record.obstacle is None:
        raise Unavailable(f"submitting blob {version.name!r}", detail=submission.record.reason or "")


async def version_to_take(app: App, name: str) -> BlobVersion | None:
    """Return the present version of a file that an event is about; None, and a log line, if it is not to be taken.

    Raises the `ServiceError` that fits.
    """
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
    return version


async def take_by_hand(app: App, name: str, *, is_forced: bool) -> Submission:
    """Submit a file that the operator names; forced, it gets a new attempt whatever became of the earlier ones.

    Raises `BlobNotFound`, `NotAFile`, `NotNow` while it is being copied, and the `ServiceError` that fits.
    """
    version = await app.inputs.version_of(name)
    if is_forced:
        return await submit_again(app, version, detected_by=DetectedBy.HTTP)
    (submission,) = await submit(app, [version], detected_by=DetectedBy.HTTP, is_urgent=True)
    return submission
