"""Pools and nodes on the wire."""

import json
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.resource_files import resource_files
from batch_emulator.model.schema import (
    Document,
    boolean,
    display_name,
    duration,
    environment_settings,
    filled_text,
    integer,
    later,
    list_of,
    metadata,
    one_of,
    property_names,
    record,
    resource_id,
    text,
)
from batch_emulator.model.states import NodeState
from batch_emulator.model.timestamps import etag_of
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow

#: What ``$select`` may name (SDK model BatchPool).
POOL_PROPERTIES: Final = property_names(
    "id displayName url eTag lastModified creationTime state stateTransitionTime allocationState "
    "allocationStateTransitionTime vmSize virtualMachineConfiguration resizeTimeout resizeErrors "
    "currentDedicatedNodes currentLowPriorityNodes targetDedicatedNodes targetLowPriorityNodes "
    "enableAutoScale autoScaleFormula autoScaleEvaluationInterval autoScaleRun "
    "enableInterNodeCommunication networkConfiguration startTask applicationPackageReferences "
    "taskSlotsPerNode taskSchedulingPolicy userAccounts metadata stats mountConfiguration identity "
    "upgradePolicy certificateReferences targetNodeCommunicationMode currentNodeCommunicationMode "
    "resourceTags"
)

#: What ``$select`` may name (SDK model BatchNode).
NODE_PROPERTIES: Final = property_names(
    "id url state schedulingState stateTransitionTime lastBootTime allocationTime ipAddress "
    "ipv6Address affinityId vmSize totalTasksRun runningTasksCount runningTaskSlotsCount "
    "totalTasksSucceeded recentTasks startTask startTaskInfo errors isDedicated "
    "endpointConfiguration nodeAgentInfo virtualMachineInfo version lastUpdateTime "
    "certificateReferences"
)

_start_task = record(
    {
        "commandLine": filled_text,
        "containerSettings": later,
        "resourceFiles": resource_files,
        "environmentSettings": environment_settings,
        "maxTaskRetryCount": integer(-1),
        "waitForSuccess": boolean,
    },
    frozenset({"commandLine"}),
)

#: The readers of what a pool and the specification of an automatic pool have in common.
_SPECIFICATION: Final = {
    "displayName": display_name,
    "vmSize": filled_text,
    "virtualMachineConfiguration": record({"nodeAgentSKUId": text}),
    "resizeTimeout": duration,
    "targetDedicatedNodes": integer(0, 1000),
    "targetLowPriorityNodes": integer(0, 1000),
    "enableAutoScale": later,
    "autoScaleFormula": text,
    "enableInterNodeCommunication": boolean,
    "startTask": _start_task,
    "applicationPackageReferences": later,
    "taskSlotsPerNode": integer(1, 256),
    "taskSchedulingPolicy": record(
        {
            "nodeFillType": one_of("Spread", "Pack"),
            "jobDefaultOrder": one_of("none", "creationtime"),
        }
    ),
    "userAccounts": list_of(record({"name": filled_text}, frozenset({"name"}))),
    "metadata": metadata,
    "mountConfiguration": later,
}

_pool = record({"id": resource_id, **_SPECIFICATION}, frozenset({"id", "vmSize"}))
_pool_specification = record(_SPECIFICATION, frozenset({"vmSize"}))


def read_pool(body: Document) -> Document:
    """Return the stored properties of a new pool: validated, with the service's defaults."""
    return _with_defaults(_pool("", body))


def read_pool_specification(name: str, value: object) -> Document:
    """Return the stored properties of an automatic pool, as ``read_pool`` does for others."""
    return _with_defaults(_pool_specification(name, value))


def _with_defaults(pool: Document) -> Document:
    if "autoScaleFormula" in pool:
        raise invalid_property("autoScaleFormula", "", "It needs enableAutoScale")
    pool = {
        "resizeTimeout": "PT15M",
        "targetDedicatedNodes": 0,
        "targetLowPriorityNodes": 0,
        "enableAutoScale": False,
        "enableInterNodeCommunication": False,
        "taskSlotsPerNode": 1,
        **pool,
    }
    pool["taskSchedulingPolicy"] = {
        "nodeFillType": "Spread",
        **pool.get("taskSchedulingPolicy", {}),
    }
    return _with_start_task_defaults(_without_passwords(pool))


def _with_start_task_defaults(pool: Document) -> Document:
    if "startTask" in pool:
        defaults = {"maxTaskRetryCount": 0, "waitForSuccess": True}
        pool["startTask"] = {**defaults, **pool["startTask"]}
    return pool


def _without_passwords(pool: Document) -> Document:
    for account in pool.get("userAccounts", ()):
        account.pop("password", None)
    return pool


def pool_on_wire(row: PoolRow, counts: tuple[int, int], endpoint: str) -> Document:
    """Return a pool as the service shows it; ``counts`` are its dedicated and spot nodes."""
    pool = {
        "id": row.id,
        "url": f"{endpoint}/pools/{row.id}",
        "eTag": etag_of(row.modified),
        "lastModified": row.modified,
        "creationTime": row.created,
        "state": row.state,
        "stateTransitionTime": row.state_time,
        "allocationState": row.allocation_state,
        "allocationStateTransitionTime": row.allocation_time,
        "currentDedicatedNodes": counts[0],
        "currentLowPriorityNodes": counts[1],
        **json.loads(row.document),
    }
    if row.resize_errors is not None:
        pool["resizeErrors"] = json.loads(row.resize_errors)
    if row.auto_scale_run is not None:
        pool["autoScaleRun"] = json.loads(row.auto_scale_run)
    return pool


def node_on_wire(row: NodeRow, pool: PoolRow, load: tuple[int, int], endpoint: str) -> Document:
    """Return a node as the service shows it; ``load`` is its running tasks and their slots."""
    document = json.loads(pool.document)
    node = {
        "id": row.id,
        "url": f"{endpoint}/pools/{pool.id}/nodes/{row.id}",
        "state": row.state,
        "schedulingState": row.scheduling,
        "stateTransitionTime": row.state_time,
        "lastBootTime": row.boot_time,
        "allocationTime": row.allocation_time,
        "ipAddress": row.ip_address,
        "affinityId": f"TVM:{row.id}",
        "vmSize": document["vmSize"],
        "totalTasksRun": row.tasks_run,
        "runningTasksCount": load[0],
        "runningTaskSlotsCount": load[1],
        "totalTasksSucceeded": row.tasks_succeeded,
        "isDedicated": bool(row.dedicated),
        "virtualMachineInfo": _machine(document),
    }
    if "startTask" in document:
        node["startTask"] = document["startTask"]
    if row.start_task_info is not None:
        node["startTaskInfo"] = json.loads(row.start_task_info)
    if row.errors is not None:
        node["errors"] = json.loads(row.errors)
    return node


def _machine(pool: Document) -> Document:
    """Return what runs on a node: the pool's image, whose exact version is recorded as it was asked for."""
    image = pool.get("virtualMachineConfiguration", {}).get("imageReference", {})
    return {"imageReference": {**image, "exactVersion": image.get("version", "latest")}}


#: The property of BatchNodeCounts for each state of a node.
_COUNTED_AS: Final = {
    NodeState.START_TASK_FAILED: "startTaskFailed",
    NodeState.LEAVING_POOL: "leavingPool",
    NodeState.WAITING_FOR_START_TASK: "waitingForStartTask",
    NodeState.UPGRADING_OS: "upgradingOS",
}


def node_counts_on_wire(states: dict[str, int]) -> Document:
    """Return the counts of nodes by state, with every state and the total."""
    counts: Document = {_COUNTED_AS.get(state, state.value): states.get(state, 0) for state in NodeState}
    return {**counts, "total": sum(states.values())}
