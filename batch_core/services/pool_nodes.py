"""The nodes of pools, and how many there are to be: what scaling asks of Batch."""

from collections.abc import Sequence
from typing import Final

from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchNodeDeallocationOption,
    BatchNodeDisableSchedulingOption,
    BatchNodeDisableSchedulingOptions,
    BatchNodeRemoveOptions,
    BatchPoolResizeOptions,
)

from batch_core.errors import Conflict, Missing
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.services.batch_reading import node_of
from batch_core.services.batch_values import Demand, Node

#: https://learn.microsoft.com/rest/api/batchservice/nodes/list-nodes
_NODES_PER_PAGE: Final = 1000
#: https://learn.microsoft.com/rest/api/batchservice/pools/remove-nodes
MAX_NODES_PER_REMOVAL: Final = 100
#: It takes tasks, or takes none, already: https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes.
_SCHEDULED_SO: Final = "NodeAlreadyInTargetSchedulingState"
_NODE_FIELDS: Final = [
    *("id", "state", "stateTransitionTime", "isDedicated", "schedulingState"),
    *("runningTasksCount", "runningTaskSlotsCount"),
]


class PoolNodes:
    """The nodes of pools. Every method raises the `ServiceError` that fits."""

    def __init__(self, client: BatchClient) -> None:
        self._client = client

    async def nodes(self, pool_id: str) -> list[Node]:
        with translating(f"listing the nodes of pool {pool_id}"):
            listed = self._client.list_nodes(pool_id, select=_NODE_FIELDS, max_results=_NODES_PER_PAGE)
            return [node_of(node) async for node in each_item(listed)]

    async def demand(self, job_id: str) -> Demand:
        """Count the tasks of a job that have not ended, and the task slots that they take.

        The service's figures may be stale (https://learn.microsoft.com/rest/api/batchservice/jobs/get-job-task-counts):
        good for growing a pool, not for deciding that nothing runs.
        """
        with translating(f"counting the tasks of job {job_id}"):
            counts = await self._client.get_job_task_counts(job_id)
            tasks, slots = counts.task_counts, counts.task_slot_counts
            return Demand(tasks=int(tasks.active + tasks.running), slots=int(slots.active + slots.running))

    async def resize(self, pool_id: str, *, dedicated: int, spot: int) -> None:
        """Ask for so many nodes; one that is being resized already is left alone."""
        try:
            with translating(f"resizing pool {pool_id}"):
                options = BatchPoolResizeOptions(target_dedicated_nodes=dedicated, target_low_priority_nodes=spot)
                await self._client.begin_resize_pool(pool_id, options)
        except Conflict as exc:
            if exc.code != "PoolBeingResized":
                raise

    async def remove(self, pool_id: str, node_ids: Sequence[str]) -> None:
        """Remove up to 100 nodes, each when the tasks that it may still have are done."""
        try:
            with translating(f"removing {len(node_ids)} nodes of pool {pool_id}"):
                options = BatchNodeRemoveOptions(
                    node_ids=list(node_ids), node_deallocation_option=BatchNodeDeallocationOption.TASK_COMPLETION
                )
                await self._client.begin_remove_nodes(pool_id, options)
        except Conflict as exc:
            if exc.code != "PoolBeingResized":
                raise

    async def close(self, pool_id: str, node_id: str) -> None:
        """Give a node no more tasks; what runs there goes on."""
        option = BatchNodeDisableSchedulingOption.TASK_COMPLETION
        try:
            with translating(f"closing node {node_id} of pool {pool_id} to tasks"):
                options = BatchNodeDisableSchedulingOptions(node_disable_scheduling_option=option)
                await self._client.disable_node_scheduling(pool_id, node_id, options)
        except Conflict as exc:
            if exc.code != _SCHEDULED_SO:
                raise

    async def open(self, pool_id: str, node_id: str) -> bool:
        """Let a node have tasks again; False if it has them already, or does not exist any more."""
        try:
            with translating(f"opening node {node_id} of pool {pool_id} to tasks"):
                await self._client.enable_node_scheduling(pool_id, node_id)
        except Missing:
            return False
        except Conflict as exc:
            if exc.code != _SCHEDULED_SO:
                raise
            return False
        return True
