"""The tasks that a job itself specifies: job manager, job preparation and job release tasks.

Defaults: recordings of the real service; the SDK's documentation of BatchJobManagerTask,
BatchJobPreparationTask and BatchJobReleaseTask.
"""

from typing import Final

from batch_emulator.errors import BatchError, invalid_property
from batch_emulator.model.container_settings import container_settings, with_command
from batch_emulator.model.output_files import output_files
from batch_emulator.model.package_references import package_references
from batch_emulator.model.resource_files import resource_files
from batch_emulator.model.schema import (
    Reader,
    boolean,
    display_name,
    duration,
    environment_settings,
    integer,
    record,
    resource_id,
    text,
)
from batch_emulator.model.task_rules import reserved_ids
from batch_emulator.model.tasks import DEFAULT_RETENTION, task_constraints, token_settings
from batch_emulator.model.user_identities import DEFAULT_USER, user_identity
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import UNLIMITED, parse_duration

_LONGEST_RELEASE: Final = "PT15M"

_COMMAND: Final[dict[str, Reader]] = {
    "id": resource_id,
    "commandLine": text,
    "containerSettings": container_settings,
    "resourceFiles": resource_files,
    "environmentSettings": environment_settings,
    "userIdentity": user_identity,
}

_preparation: Final = record(
    {
        **_COMMAND,
        "constraints": task_constraints,
        "waitForSuccess": boolean,
        "rerunOnNodeRebootAfterSuccess": boolean,
    },
    frozenset({"commandLine"}),
)


def preparation_task(name: str, value: object) -> Document:
    """Read a job preparation task; its defaults are filled in."""
    task: Document = with_command(_preparation)(name, value)
    limits = {"maxWallClockTime": UNLIMITED, "retentionTime": DEFAULT_RETENTION, "maxTaskRetryCount": 0}
    return {
        "id": "jobpreparation",
        "userIdentity": DEFAULT_USER,
        "waitForSuccess": True,
        "rerunOnNodeRebootAfterSuccess": True,
        **task,
        "constraints": {**limits, **task.get("constraints", {})},
    }


def _release_time(name: str, value: object) -> str:
    """Read a duration of at most 15 minutes."""
    time: str = duration(name, value)
    if parse_duration(time) > parse_duration(_LONGEST_RELEASE):
        raise invalid_property(name, value, "A job release task may run for 15 minutes at most")
    return time


_release: Final = record(
    {**_COMMAND, "maxWallClockTime": _release_time, "retentionTime": duration}, frozenset({"commandLine"})
)


def release_task(name: str, value: object) -> Document:
    """Read a job release task; its defaults are filled in."""
    return {
        "id": "jobrelease",
        "maxWallClockTime": _LONGEST_RELEASE,
        "retentionTime": DEFAULT_RETENTION,
        "userIdentity": DEFAULT_USER,
        **with_command(_release)(name, value),
    }


_manager: Final = record(
    {
        **_COMMAND,
        "displayName": display_name,
        "outputFiles": output_files,
        "constraints": task_constraints,
        "requiredSlots": integer(1, 256),
        "killJobOnCompletion": boolean,
        "runExclusive": boolean,
        "allowLowPriorityNode": boolean,
        "applicationPackageReferences": package_references,
        "authenticationTokenSettings": token_settings,
    },
    frozenset({"id", "commandLine"}),
)


def manager_task(name: str, value: object) -> Document:
    """Read a job manager task; its defaults are filled in, save its constraints: they come from the job."""
    return {
        "requiredSlots": 1,
        "killJobOnCompletion": True,
        "runExclusive": True,
        "allowLowPriorityNode": True,
        "userIdentity": DEFAULT_USER,
        **with_command(_manager)(name, value),
    }


#: The properties of a job manager task that are none of the task that it becomes.
_OF_THE_MANAGER: Final = frozenset({"killJobOnCompletion", "runExclusive", "allowLowPriorityNode"})


def as_task(manager: Document) -> Document:
    """Return the body of the task that a job manager task becomes."""
    return {name: value for name, value in manager.items() if name not in _OF_THE_MANAGER}


def check_job_tasks(job: Document) -> None:
    """Refuse a release task alone, and a manager with the id of another of the job's own tasks."""
    if "jobReleaseTask" in job and "jobPreparationTask" not in job:
        reason = "A job release task needs a job preparation task"
        raise invalid_property("jobReleaseTask", "", reason)
    manager = job.get("jobManagerTask", {}).get("id", "").lower()
    if error := reserved_ids(job).get(manager):
        raise BatchError(error)
