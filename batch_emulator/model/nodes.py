"""Nodes on the wire."""

import json
from collections.abc import Iterable
from typing import Final

from batch_emulator.model.node_endpoints import inbound_endpoints, ipv6_address
from batch_emulator.model.schema import property_names
from batch_emulator.model.tasks import execution_info
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import NodeState

#: A version of the node agent as the service shows it.
AGENT_VERSION: Final = "1.13.4"

#: What `$select` may name (SDK model BatchNode).
NODE_PROPERTIES: Final = property_names(
    "id url state schedulingState stateTransitionTime lastBootTime allocationTime ipAddress "
    "ipv6Address affinityId vmSize totalTasksRun runningTasksCount runningTaskSlotsCount "
    "totalTasksSucceeded recentTasks startTask startTaskInfo errors isDedicated "
    "endpointConfiguration nodeAgentInfo virtualMachineInfo version lastUpdateTime "
    "certificateReferences"
)


def node_on_wire(
    row: NodeRow, pool: PoolRow, load: tuple[int, int], recent: Iterable[tuple[TaskRow, str]], endpoint: str
) -> Document:
    """Return a node as the service shows it.

    `load` is its running tasks and their slots; `recent` are tasks that ran here lately, with their jobs' ids.
    """
    document = json.loads(pool.document)
    node: Document = {
        "id": row.id,
        "url": f"{endpoint}/pools/{pool.id}/nodes/{row.id}",
        "state": row.state,
        "schedulingState": row.scheduling,
        "stateTransitionTime": row.state_time,
        "allocationTime": row.allocation_time,
        "ipAddress": row.ip_address,
        "affinityId": f"TVM:{row.id}",
        "vmSize": document["vmSize"],
        "totalTasksRun": row.tasks_run,
        "runningTasksCount": load[0],
        "runningTaskSlotsCount": load[1],
        "totalTasksSucceeded": row.tasks_succeeded,
        "isDedicated": bool(row.dedicated),
        "virtualMachineInfo": _virtual_machine(document),
    }
    if row.has_booted:
        node |= _agent(row)
    if endpoints := inbound_endpoints(row, document):
        node["endpointConfiguration"] = {"inboundEndpoints": endpoints}
    if (address := ipv6_address(row, document)) is not None:
        node["ipv6Address"] = address
    if tasks := [_recent_task(task, job_id, endpoint) for task, job_id in recent]:
        node["recentTasks"] = tasks
    if "startTask" in document:
        node["startTask"] = document["startTask"]
    if row.start_task_info is not None:
        node["startTaskInfo"] = json.loads(row.start_task_info)
    if row.errors is not None:
        node["errors"] = json.loads(row.errors)
    return node


def _agent(row: NodeRow) -> Document:
    """Return what a node's agent reports; before the first boot there is none (recording of the real service)."""
    agent = {"version": AGENT_VERSION, "lastUpdateTime": row.boot_time}
    return {"lastBootTime": row.boot_time, "nodeAgentInfo": agent}


def _virtual_machine(pool: Document) -> Document:
    """Return what runs on a node: the pool's image, whose exact version is recorded as it was asked for."""
    image = pool.get("virtualMachineConfiguration", {}).get("imageReference", {})
    return {"imageReference": {**image, "exactVersion": image.get("version", "latest")}}


def _recent_task(row: TaskRow, job_id: str, endpoint: str) -> Document:
    return {
        "taskUrl": f"{endpoint}/jobs/{job_id}/tasks/{row.id}",
        "jobId": job_id,
        "taskId": row.id,
        "taskState": row.state,
        "executionInfo": execution_info(row),
    }


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
