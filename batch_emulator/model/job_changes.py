"""Changes of a job's properties: PATCH and PUT."""

from typing import Final

from batch_emulator.errors import invalid_property, missing_property
from batch_emulator.model.jobs import CHANGEABLE, DEFAULTS, NO_LIMITS
from batch_emulator.model.schema import record
from batch_emulator.values.documents import Document
from batch_emulator.values.states import AllTasksComplete

_read: Final = record(CHANGEABLE)


def read_job_update(body: Document, current: Document) -> Document:
    """Return a job's properties after a PATCH: what is not named stays as it is."""
    return _checked({**current, **_changes(body)}, current)


def read_job_replacement(body: Document, current: Document) -> Document:
    """Return a job's properties after a PUT: what is not named goes back to its default.

    What cannot be changed stays in place, the preparation task for one (recording of the real service).
    """
    if body.get("poolInfo") is None:
        raise missing_property("poolInfo")
    kept = {name: value for name, value in current.items() if name not in CHANGEABLE}
    return _checked({**DEFAULTS, "constraints": NO_LIMITS, **kept, **_changes(body)}, current)


def _changes(body: Document) -> Document:
    """Read the properties that can be changed; clients also send back others that they were shown."""
    changes: Document = _read("", {name: body[name] for name in CHANGEABLE if name in body})
    if "constraints" in changes:
        changes["constraints"] = {**NO_LIMITS, **changes["constraints"]}
    return changes


def _checked(job: Document, current: Document) -> Document:
    """Refuse to take back automatic termination (SDK documentation of BatchJobUpdateOptions)."""
    if current["onAllTasksComplete"] == AllTasksComplete.TERMINATE_JOB != job["onAllTasksComplete"]:
        reason = "Automatic termination cannot be turned off again"
        raise invalid_property("onAllTasksComplete", job["onAllTasksComplete"], reason)
    return job
