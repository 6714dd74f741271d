"""Jobs on the wire."""

import json
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.job_tasks import as_task, check_job_tasks, manager_task, preparation_task, release_task
from batch_emulator.model.pool_info import auto_pool, read_pool_info
from batch_emulator.model.schema import (
    boolean,
    display_name,
    duration,
    environment_settings,
    integer,
    metadata,
    one_of,
    property_names,
    record,
    resource,
    resource_id,
)
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.model.tasks import read_task
from batch_emulator.store.jobs import JobRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import UNLIMITED
from batch_emulator.values.states import AllTasksComplete, PoolLifetime, TaskFailureMode
from batch_emulator.values.timestamps import etag_of

#: What `$select` may name (SDK model BatchJob).
JOB_PROPERTIES: Final = property_names(
    "id displayName usesTaskDependencies url eTag lastModified creationTime state "
    "stateTransitionTime previousState previousStateTransitionTime priority allowTaskPreemption "
    "maxParallelTasks constraints jobManagerTask jobPreparationTask jobReleaseTask "
    "commonEnvironmentSettings poolInfo onAllTasksComplete onTaskFailure networkConfiguration "
    "metadata executionInfo stats"
)

#: Why a job ended (SDK documentation of BatchJobExecutionInfo.terminateReason).
USER_TERMINATE: Final = "UserTerminate"
ALL_TASKS_COMPLETED: Final = "AllTasksComplete"
TASK_FAILED: Final = "TaskFailed"
JOB_MANAGER_COMPLETED: Final = "JMComplete"
MAX_WALL_CLOCK_TIME_EXPIRY: Final = "MaxWallClockTimeExpiry"
TERMINATE_JOB_SCHEDULE: Final = "TerminateJobSchedule"


def _parallel_tasks(name: str, value: object) -> int:
    """Read maxParallelTasks: -1 or greater than 0 (SDK documentation of BatchJob)."""
    number: int = integer(-1)(name, value)
    if number == 0:
        raise invalid_property(name, value, "-1 or a number greater than 0 is expected")
    return number


#: The readers of what a job and the jobs of a schedule have in common.
_SPECIFICATION: Final = {
    "displayName": display_name,
    "usesTaskDependencies": boolean,
    "priority": integer(-1000, 1000),
    "allowTaskPreemption": boolean,
    "maxParallelTasks": _parallel_tasks,
    "constraints": record({"maxWallClockTime": duration, "maxTaskRetryCount": integer(-1)}),
    "jobManagerTask": manager_task,
    "jobPreparationTask": preparation_task,
    "jobReleaseTask": release_task,
    "commonEnvironmentSettings": environment_settings,
    "poolInfo": read_pool_info,
    "onAllTasksComplete": one_of(*AllTasksComplete),
    "onTaskFailure": one_of(*TaskFailureMode),
    "metadata": metadata,
}

_job = resource({"id": resource_id, **_SPECIFICATION}, frozenset({"id", "poolInfo"}))
_job_specification = resource(_SPECIFICATION, frozenset({"poolInfo"}))


#: The properties that a job's update may change (SDK models BatchJob and BatchJobUpdateOptions).
CHANGEABLE: Final = {
    name: _SPECIFICATION[name]
    for name in (
        *("priority", "allowTaskPreemption", "maxParallelTasks", "constraints", "poolInfo"),
        *("onAllTasksComplete", "metadata"),
    )
}

NO_LIMITS: Final = {"maxWallClockTime": UNLIMITED, "maxTaskRetryCount": 0}

#: What holds where the client says nothing.
DEFAULTS: Final = {
    "priority": 0,
    "maxParallelTasks": -1,
    "allowTaskPreemption": False,
    "usesTaskDependencies": False,
    "onAllTasksComplete": AllTasksComplete.NO_ACTION.value,
    "onTaskFailure": TaskFailureMode.NO_ACTION.value,
}


def read_job(body: Document) -> Document:
    """Return the stored properties of a new job: validated, with the service's defaults."""
    job = _with_defaults(_job("", body))
    pool = auto_pool(job)
    if pool is not None and pool["poolLifetimeOption"] == PoolLifetime.JOB_SCHEDULE:
        # "You may apply this option only to Job Schedules" (SDK documentation of BatchPoolLifetimeOption).
        name = "poolInfo.autoPoolSpecification.poolLifetimeOption"
        raise invalid_property(name, pool["poolLifetimeOption"], "The job is not part of a job schedule")
    return job


def read_job_specification(name: str, value: object) -> Document:
    """Return the stored properties of the jobs of a schedule, as `read_job` does for one job."""
    return _with_defaults(_job_specification(name, value))


def _with_defaults(job: Document) -> Document:
    check_job_tasks(job)
    job = {**DEFAULTS, **job, "constraints": {**NO_LIMITS, **job.get("constraints", {})}}
    if manager := job.get("jobManagerTask"):
        # A schedule makes its jobs later, when no caller is waiting for an error.
        task = read_task(as_task(manager), TaskRules.of_job(job))
        job["jobManagerTask"] = {**manager, "constraints": task["constraints"]}
    return job


def job_on_wire(row: JobRow, awaited: int, endpoint: str) -> Document:
    """Return a job as the service shows it; `awaited` is the number of nodes whose release task is still due."""
    job: Document = {
        "id": row.id,
        "url": f"{endpoint}/jobs/{row.id}",
        "eTag": etag_of(row.modified),
        "lastModified": row.modified,
        "creationTime": row.created,
        "state": row.state,
        "stateTransitionTime": row.state_time,
    }
    if row.previous_state is not None:
        job["previousState"] = row.previous_state
        job["previousStateTransitionTime"] = row.previous_time
    return {**job, **json.loads(row.document), "executionInfo": _execution_info(row, awaited)}


def _execution_info(row: JobRow, awaited: int) -> Document:
    info = {
        "startTime": row.created,
        "endTime": row.ended,
        "poolId": row.pool_id,
        "schedulingError": _awaiting(awaited) if awaited else None,
        "terminateReason": row.terminate_reason,
    }
    return {key: value for key, value in info.items() if value is not None}


def _awaiting(nodes: int) -> Document:
    """Return what holds up the end of a job (recording `JobOperations`)."""
    return {
        "category": "ServerError",
        "code": "JobTerminationAwaitingNodeProcessing",
        "message": "The Job termination operation is waiting for processing from one or more node.",
        "details": [{"name": "Number of nodes awaiting processing", "value": str(nodes)}],
    }
