"""Events that the host gave up: it writes them to the queue `webjobs-blobtrigger-poison` after several failures.

Each becomes what the file needs: nothing if its record says where it is (the reconciling tick goes on with it), a
submission if there is no record.
"""

import json
import logging

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotAFile, NotNow
from batch_core.naming import is_blob_name
from batch_core.record import DetectedBy
from batch_core.submit import submit

logger = logging.getLogger(__name__)

QUEUE = "webjobs-blobtrigger-poison"


async def take_poison(app: App, message: bytes) -> None:
    """Take one message; raises the `ServiceError` that fits while a service is not available."""
    name = _blob_name(app, message)
    if name is None:
        return
    try:
        version = await app.inputs.version_of(name)
    except (BlobNotFound, NotAFile) as exc:
        logger.warning("There is no file for a poison message: %s", exc)
        return
    except NotNow as exc:
        logger.warning("The sweep takes the file of a poison message later: %s", exc, extra={"blob": name})
        return
    if not app.settings.intake.takes(version):
        logger.warning("The file of a poison message is none that the app takes by itself.", extra={"blob": name})
        return
    (submission,) = await submit(app, [version], detected_by=DetectedBy.TRIGGER)
    record = submission.record
    logger.warning(
        "The host gave an event up; its record says where the file is.",
        extra={"blob": name, "task_id": record.task_id, "state": record.state, "reason": record.reason},
    )


def _blob_name(app: App, message: bytes) -> str | None:
    """Return the name of the blob that the message is about; None, and a log line, if it is not one of ours."""
    try:
        document = json.loads(message)
        container, name = document["ContainerName"], document["BlobName"]
    except (ValueError, LookupError, TypeError):
        logger.exception("A poison message is not what the host writes.", extra={"length": len(message)})
        return None
    if not isinstance(name, str) or not is_blob_name(name):
        logger.warning("A poison message is about %.200r, which no blob is called.", name)
        return None
    if container != app.settings.input_container:
        logger.warning("A poison message is about another container.", extra={"container": container})
        return None
    return name
