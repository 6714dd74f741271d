"""Failures of nodes, on demand: loss, preemption, breakdown, lost contact, a failed start task.

On Azure they happen by themselves; here they are asked for, so that clients can be tested against them.
Tasks that ran on the node go back to the queue (documentation: batch-pool-compute-node-error-checking and
batch-spot-vms).
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.outcome import exit_failure
from batch_emulator.scheduling.nodes import Member, NodeLife
from batch_emulator.scheduling.pools import PoolLife
from batch_emulator.scheduling.start_tasks import StartTasks
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.state import Store
from batch_emulator.values.states import LifecycleTaskState, NodeState, TaskResult
from batch_emulator.values.timestamps import Clock

#: What a node recovers from.
_HARMED: Final = frozenset({NodeState.PREEMPTED, NodeState.UNUSABLE, NodeState.UNKNOWN, NodeState.START_TASK_FAILED})


@dataclass(kw_only=True, eq=False)
class NodeFailures:
    """Makes nodes fail and recover. Nodes are named by their pool's id and their own.

    Every method raises PoolNotFound or NodeNotFound; each returns when the harm is done and recorded, with no
    process of the node's tasks left.
    """

    store: Store
    clock: Clock
    pools: PoolLife
    nodes: NodeLife
    start_tasks: StartTasks

    async def lose(self, pool_id: str, node_id: str, *, replace: bool = False) -> None:
        """Make a node vanish with its files, as if its machine had; `replace` lets a new one boot in its place."""
        row = self._find(pool_id, node_id)
        member, live = self.pools.member(row), self.pools.live(row.pool_no)
        await self.pools.allocation.remove(live, member)
        if replace:
            self.pools.allocation.add(live, 1, dedicated=bool(row.dedicated))

    async def preempt(self, pool_id: str, node_id: str) -> None:
        """Take the machine of a spot node: it is `preempted` and empty until `recover`.

        Raises OperationNotValidOnNode for a dedicated node: those are never preempted.
        """
        row = self._find(pool_id, node_id)
        if row.dedicated:
            raise BatchError(ErrorCode.OPERATION_NOT_VALID_ON_NODE, Reason="A dedicated node is not preempted")
        member = await self._stop(row, NodeState.PREEMPTED)
        await asyncio.to_thread(member.node.place.directory.remove)

    async def make_unusable(self, pool_id: str, node_id: str, code: str = "Unusable", message: str = "") -> None:
        """Break a node: it is `unusable`, shows the error, and runs nothing until `recover`."""
        row = self._find(pool_id, node_id)
        member = await self._stop(row, NodeState.UNUSABLE)
        self.nodes.break_down(member, code, message or "The node was made unusable")

    async def make_unknown(self, pool_id: str, node_id: str) -> None:
        """Lose contact with a node: it is `unknown` and runs nothing until `recover`."""
        await self._stop(self._find(pool_id, node_id), NodeState.UNKNOWN)

    def recover(self, pool_id: str, node_id: str) -> None:
        """Boot a node again that was preempted, broken, or lost contact with, or whose start task failed.

        Raises OperationInvalidForCurrentState for any other.
        """
        row = self._find(pool_id, node_id)
        if row.state not in _HARMED:
            raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, State=row.state)
        member = self.pools.member(row)
        self.nodes.start(member)

    async def fail_start_task(self, pool_id: str, node_id: str, exit_code: int = 1) -> None:
        """Let a node be `starttaskfailed` as if its start task had just ended with that exit code.

        Raises OperationNotValidOnPool where the pool has no start task that is waited for.
        """
        row = self._find(pool_id, node_id)
        self._check_start_task(pool_id)
        await self._stop(row, NodeState.START_TASK_FAILED)
        self._note_failure(row, exit_code)

    def fail_next_start_tasks(self, pool_id: str, count: int = 1) -> None:
        """Let the next runs of start tasks in a pool fail, retries counted, whatever their command does."""
        self.start_tasks.spoiled[pool_id.lower()] += count

    def _find(self, pool_id: str, node_id: str) -> NodeRow:
        pool = self.store.pools.get(pool_id)
        if pool is None:
            raise BatchError(ErrorCode.POOL_NOT_FOUND)
        row = self.store.nodes.get(pool.no, node_id)
        if row is None:
            raise BatchError(ErrorCode.NODE_NOT_FOUND)
        return row

    async def _stop(self, row: NodeRow, state: NodeState) -> Member:
        member = self.pools.member(row)
        self.nodes.close(member)
        self.nodes.set_state(member, state)
        await self.nodes.power_off(member)
        self.nodes.set_state(member, state)
        return member

    def _check_start_task(self, pool_id: str) -> None:
        pool = self.store.pools.get(pool_id)
        task = json.loads(pool.document).get("startTask") if pool else None
        if not task or not task["waitForSuccess"]:
            raise BatchError(ErrorCode.OPERATION_NOT_VALID_ON_POOL, Reason="It has no start task that is waited for")

    def _note_failure(self, row: NodeRow, exit_code: int) -> None:
        now = self.clock.stamp()
        info = {
            "state": LifecycleTaskState.COMPLETED,
            "startTime": now,
            "retryCount": 0,
            "endTime": now,
            "result": TaskResult.FAILURE,
            "exitCode": exit_code,
            "failureInfo": exit_failure().document(),
        }
        self.store.nodes.set_start_task_info(row.no, json.dumps(info))
