"""Events that the host gave up: it writes them to the queue `webjobs-blobtrigger-poison` after several failures.

Each becomes what the file needs: nothing if its record says where it is (the reconciling tick goes on with it), a
submission if there is no record.

Taking one never fails for a reason that passes by itself. A queue whose name ends in `-poison` has no poison queue of
its own: the host hides a message that failed for ten minutes, five times, and then never hands it over again until it
expires after seven days (`CreatePoisonQueueReference` in QueueListenerFactory.cs of
https://github.com/Azure/azure-sdk-for-net/tree/main/sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Queues). The
sweep is sooner: every file without a record is its business, so that a message can be let go.
"""

import json
import logging
from collections.abc import Callable
from typing import Final

from batch_core.app import App
from batch_core.errors import AppError
from batch_core.intake import version_to_take
from batch_core.naming import is_blob_name
from batch_core.state.record import DetectedBy
from batch_core.submit import submit

logger = logging.getLogger(__name__)

QUEUE: Final = "webjobs-blobtrigger-poison"

#: More of a message than this is not logged, in bytes.
_SHOWN: Final = 2_000


async def take_or_leave(process_app: Callable[[], App], message: bytes) -> None:
    """Take one message; what a service's trouble or wrong settings prevent is logged and left to the sweep."""
    try:
        await take_poison(process_app(), message)
    except AppError as exc:
        logger.warning(
            "The host gave up an event, and the app cannot take it now: the sweep submits the file if it has no record."
            " Message: %s. Reason: %s",
            _shown(message),
            exc,
        )


async def take_poison(app: App, message: bytes) -> None:
    """Take one message; raises the `ServiceError` that fits while a service is not available."""
    name = _blob_name(app, message)
    if name is None:
        return
    logger.warning("The host gave up the event of blob %r.", name)
    version = await version_to_take(app, name)
    if version is None:
        return
    (submission,) = await submit(app, [version], detected_by=DetectedBy.TRIGGER)
    record = submission.record
    logger.warning(
        "The record of blob %r says where the file is: task_id=%s state=%s reason=%s",
        name,
        record.task_id,
        record.state,
        record.reason or "none",
    )


def _blob_name(app: App, message: bytes) -> str | None:
    """Return the name of the blob that the message is about; None, and a log line, if it is not one of ours."""
    try:
        document = json.loads(message)
        container, name = document["ContainerName"], document["BlobName"]
    except (ValueError, LookupError, RecursionError, TypeError):
        logger.exception("A poison message is not what the host writes: %s", _shown(message))
        return None
    if not isinstance(name, str) or not is_blob_name(name):
        logger.warning("A poison message is about %.200r, which no blob is called.", name)
        return None
    if container != app.settings.input_container:
        logger.warning("A poison message is about container %r, which is not ours.", container)
        return None
    return name


def _shown(message: bytes) -> str:
    """Return the beginning of a message, in one line."""
    return ascii(message[:_SHOWN])[1:]
