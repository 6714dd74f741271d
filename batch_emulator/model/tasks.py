"""Tasks on the wire."""

import json
from typing import Final

from batch_emulator.model.container_settings import container_settings, with_command
from batch_emulator.model.exit_conditions import depends_on, exit_conditions
from batch_emulator.model.output_files import output_files
from batch_emulator.model.package_references import package_references
from batch_emulator.model.resource_files import resource_files
from batch_emulator.model.schema import (
    display_name,
    duration,
    environment_settings,
    integer,
    list_of,
    one_of,
    property_names,
    record,
    resource,
    resource_id,
    text,
)
from batch_emulator.model.subtasks import check_slots, multi_instance_settings
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.model.user_identities import DEFAULT_USER, user_identity
from batch_emulator.store.tasks import TaskCounts, TaskRow
from batch_emulator.values.documents import Document, joined, stored, to_json
from batch_emulator.values.paths import task_root
from batch_emulator.values.states import TaskState
from batch_emulator.values.timestamps import etag_of

#: What `$select` may name (SDK model BatchTask).
TASK_PROPERTIES: Final = property_names(
    "id displayName url eTag lastModified creationTime exitConditions state stateTransitionTime "
    "previousState previousStateTransitionTime commandLine containerSettings resourceFiles "
    "outputFiles environmentSettings affinityInfo constraints requiredSlots userIdentity "
    "executionInfo nodeInfo multiInstanceSettings stats dependsOn applicationPackageReferences "
    "authenticationTokenSettings"
)

#: A task's files stay this long after it completed where nothing else is said: "7 days".
DEFAULT_RETENTION: Final = "P7D"

task_constraints: Final = record(
    {
        "maxWallClockTime": duration,
        "retentionTime": duration,
        "maxTaskRetryCount": integer(-1),
    }
)

#: Reads what the access token of a task is for: all that there is to ask for is its job.
token_settings: Final = record({"access": list_of(one_of("job"))})

_task = resource(
    {
        "id": resource_id,
        "displayName": display_name,
        "commandLine": text,
        "exitConditions": exit_conditions,
        "containerSettings": container_settings,
        "resourceFiles": resource_files,
        "outputFiles": output_files,
        "environmentSettings": environment_settings,
        "affinityInfo": record({"affinityId": text}, frozenset({"affinityId"})),
        "constraints": task_constraints,
        "requiredSlots": integer(1, 256),
        "userIdentity": user_identity,
        "multiInstanceSettings": multi_instance_settings,
        "dependsOn": depends_on,
        "applicationPackageReferences": package_references,
        "authenticationTokenSettings": token_settings,
    },
    frozenset({"id", "commandLine"}),
)


def read_task(body: object, rules: TaskRules) -> Document:
    """Return the stored properties of a new task: validated, with the job's and own defaults."""
    task: Document = with_command(_task)("", body)
    rules.check(task)
    check_slots(task)
    given = task.get("constraints", {})
    task["constraints"] = {**rules.constraints, "retentionTime": DEFAULT_RETENTION, **given}
    task.setdefault("requiredSlots", 1)
    task.setdefault("userIdentity", DEFAULT_USER)
    return task


def read_replacement(body: Document, rules: TaskRules) -> Document:
    """Return the new constraints of a task: what is not named goes back to its default.

    Constraints are all that can be changed (SDK model BatchTask).
    """
    given = task_constraints("constraints", body.get("constraints") or {})
    return {**rules.constraints, "retentionTime": DEFAULT_RETENTION, **given}


def task_on_wire(row: TaskRow, job_id: str, endpoint: str) -> Document:
    """Return a task as the service shows it."""
    return {**_of_the_service(row, job_id, endpoint), **stored(row.document)}


def task_in_json(row: TaskRow, job_id: str, endpoint: str) -> str:
    """Return the same in JSON, quicker: the stored document is JSON already."""
    return joined(to_json(_of_the_service(row, job_id, endpoint)), row.document)


def _of_the_service(row: TaskRow, job_id: str, endpoint: str) -> Document:
    """Return what the service reports of a task; its document has no property of these names."""
    task: Document = {
        "id": row.id,
        "url": f"{endpoint}/jobs/{job_id}/tasks/{row.id}",
        "eTag": etag_of(row.modified),
        "creationTime": row.created,
        "lastModified": row.modified,
        "state": row.state,
        "stateTransitionTime": row.state_time,
        "executionInfo": execution_info(row),
    }
    if row.previous_state is not None:
        task["previousState"] = row.previous_state
        task["previousStateTransitionTime"] = row.previous_time
    if row.node_id is None and row.state == TaskState.COMPLETED:
        # Ended while it waited (recording `should_terminate_a_task`).
        task["nodeInfo"] = {}
    if row.node_id is not None:
        task["nodeInfo"] = node_info(row.pool_id or "", row.node_id, job_id, row.id, endpoint)
    return task


def execution_info(row: TaskRow) -> Document:
    """Return what happened to a task so far, without what has not."""
    info = {
        "startTime": row.started,
        "endTime": row.ended,
        "exitCode": row.exit_code,
        "failureInfo": json.loads(row.failure) if row.failure else None,
        "result": row.result,
        "retryCount": row.retries,
        "lastRetryTime": row.last_retry,
        "requeueCount": row.requeues,
        "lastRequeueTime": row.last_requeue,
    }
    return {key: value for key, value in info.items() if value is not None}


def node_info(pool_id: str, node_id: str, job_id: str, task_id: str, endpoint: str) -> Document:
    """Return where a task, or a subtask of it, ran."""
    node_url = f"{endpoint}/pools/{pool_id}/nodes/{node_id}"
    root = task_root(job_id, task_id)
    return {
        "affinityId": f"TVM:{node_id}",
        "nodeUrl": node_url,
        "poolId": pool_id,
        "nodeId": node_id,
        "taskRootDirectory": root,
        "taskRootDirectoryUrl": f"{node_url}/files/{root}",
    }


def task_counts_on_wire(counts: TaskCounts) -> Document:
    """Return the answer of "get task counts": tasks, and the slots they require."""
    return {"taskCounts": counts.tasks, "taskSlotCounts": counts.slots}
