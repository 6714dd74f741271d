"""Tasks on the wire."""

import json
from typing import Final

from msgspec import Struct, to_builtins

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
from batch_emulator.values.documents import Document, joined, plain_to_json, stored, to_json
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


class _ExecutionInfo(Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """What happened to a task so far, without what has not."""

    start_time: str | None = None
    end_time: str | None = None
    exit_code: int | None = None
    failure_info: Document | None = None
    result: str | None = None
    retry_count: int
    last_retry_time: str | None = None
    requeue_count: int
    last_requeue_time: str | None = None


class _Reported(Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """What the service reports of a task; its document has no property of these names.

    Such an object is made and encoded in a third of the time of a dictionary, and lists have a thousand.
    """

    id: str
    url: str
    e_tag: str
    creation_time: str
    last_modified: str
    state: str
    state_transition_time: str
    execution_info: _ExecutionInfo
    previous_state: str | None = None
    previous_state_transition_time: str | None = None
    node_info: Document | None = None


def task_on_wire(row: TaskRow, job_id: str, endpoint: str) -> Document:
    """Return a task as the service shows it."""
    return {**to_builtins(_reported(row, job_id, endpoint)), **stored(row.document)}


def task_in_json(row: TaskRow, job_id: str, endpoint: str) -> str:
    """Return the same in JSON, quicker: the stored document is JSON already."""
    reported = _reported(row, job_id, endpoint)
    # A failure may quote what a user wrote; all the rest is of ids, times, numbers and the host: plain ASCII.
    own = to_json(to_builtins(reported)) if row.failure else plain_to_json(reported)
    return joined(own, row.document)


def _reported(row: TaskRow, job_id: str, endpoint: str) -> _Reported:
    return _Reported(
        id=row.id,
        url=f"{endpoint}/jobs/{job_id}/tasks/{row.id}",
        e_tag=etag_of(row.modified),
        creation_time=row.created,
        last_modified=row.modified,
        state=row.state,
        state_transition_time=row.state_time,
        execution_info=_execution_info(row),
        previous_state=row.previous_state,
        previous_state_transition_time=row.previous_time,
        node_info=_node_info(row, job_id, endpoint),
    )


def execution_info(row: TaskRow) -> Document:
    """Return what happened to a task so far, without what has not."""
    info: Document = to_builtins(_execution_info(row))
    return info


def _execution_info(row: TaskRow) -> _ExecutionInfo:
    return _ExecutionInfo(
        start_time=row.started,
        end_time=row.ended,
        exit_code=row.exit_code,
        failure_info=json.loads(row.failure) if row.failure else None,
        result=row.result,
        retry_count=row.retries,
        last_retry_time=row.last_retry,
        requeue_count=row.requeues,
        last_requeue_time=row.last_requeue,
    )


def _node_info(row: TaskRow, job_id: str, endpoint: str) -> Document | None:
    if row.node_id is not None:
        return node_info(row.pool_id or "", row.node_id, job_id, row.id, endpoint)
    # Ended while it waited (recording `should_terminate_a_task`).
    return {} if row.state == TaskState.COMPLETED else None


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
