"""The lives of pools: their nodes, their resizes, their removal."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.model.container_settings import runs_containers
from batch_emulator.scheduling.allocation import Allocation, LivePool, Resize
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.capacity import Pool
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.events import Events, PoolScales
from batch_emulator.scheduling.nodes import Member, NodeLife
from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import AllocationState, NodeFillType, NodeState, PoolState
from batch_emulator.values.timestamps import Clock

#: How long a pool is seen stopping, in seconds.
_STOPPING: Final = 0.05

#: How long one that is deleted is seen leaving with its nodes at least, in seconds.
_LEAVING: Final = 0.05

#: What the service shows of a pool that is being deleted, whatever it was (2**32 times 100 ns; recordings
#: `should_delete_a_pool`, `TaskUpdate`, `TerminateJob`).
_TIMEOUT_OF_DELETED: Final = "PT7M9.497S"

#: What is not there any more after the emulator was restarted stays so until it is started.
_WITHOUT_MACHINE: Final = frozenset({NodeState.DEALLOCATING, NodeState.DEALLOCATED, NodeState.PREEMPTED})


@dataclass(kw_only=True, eq=False)
class PoolLife:
    """Makes pools do what their rows say; announces those that scale themselves."""

    store: Store
    clock: Clock
    runs: Runs
    nodes: NodeLife
    allocation: Allocation
    dispatcher: Dispatcher
    background: Background
    events: Events
    _pools: dict[int, LivePool] = field(default_factory=dict)

    def create(self, pool_id: str, pool: Document) -> PoolRow:
        """Add a pool and allocate its nodes: `pool` holds its stored properties, without its id."""
        row = self.store.pools.insert(
            _new_row(pool_id, pool, self.clock.stamp()),
            vm_size=pool["vmSize"],
            auto_scale=pool["enableAutoScale"],
            inter_node=pool["enableInterNodeCommunication"],
        )
        self._start_resize(self._open(row), Resize())
        if pool["enableAutoScale"]:
            self.events.announce(PoolScales(pool_no=row.no))
        return row

    def resume(self, row: PoolRow) -> None:
        """Take up a pool of an earlier process: its nodes boot again."""
        live = self._open(row)
        for node in self.store.nodes.of_pool(row.no):
            self._resume_node(self.allocation.adopt(live, node), NodeState(node.state))
        if row.state == PoolState.DELETING:
            self.delete(row)
            return
        if row.allocation_state != AllocationState.STEADY:
            self._start_resize(live, Resize())
        if json.loads(row.document)["enableAutoScale"]:
            self.events.announce(PoolScales(pool_no=row.no))

    def _resume_node(self, member: Member, state: NodeState) -> None:
        if state is NodeState.DEALLOCATING:
            self.nodes.set_state(member, NodeState.DEALLOCATED)
        elif state not in _WITHOUT_MACHINE and state is not NodeState.LEAVING_POOL:
            self.nodes.start(member)

    def _open(self, row: PoolRow) -> LivePool:
        live = self._pools[row.no] = LivePool(pool=_capacity(row))
        self.dispatcher.add_pool(live.pool)
        return live

    def live(self, pool_no: int) -> LivePool:
        return self._pools[pool_no]

    def member(self, row: NodeRow) -> Member:
        """Return the node of a row. Raises NodeNotFound where it is on its way out with its pool."""
        live = self._pools.get(row.pool_no)
        if live is None or row.no not in live.members:
            raise BatchError(ErrorCode.NODE_NOT_FOUND)
        return live.members[row.no]

    def resize(self, row: PoolRow, document: Document, resize: Resize) -> None:
        """Begin to bring a pool to the targets of a new document; `resizing` is visible when this returns.

        One that is already resizing goes on from where it is: only evaluations of formulas do that.
        """
        store, now = self.store, self.clock.stamp()
        with store.transaction():
            store.pools.change(row.no, json.dumps(document), now)
            store.pools.set_resize_errors(row.no, None)
            store.pools.set_allocation(row.no, AllocationState.RESIZING, now)
        self._start_resize(self._pools[row.no], resize)

    def stop_resize(self, row: PoolRow) -> None:
        """Begin to stop a resize where it is; `stopping` is visible when this returns."""
        live = self._pools[row.no]
        self.store.pools.set_allocation(row.no, AllocationState.STOPPING, self.clock.stamp())
        self.background.start(self._stop(live), f"stop resizing pool {row.id}")

    def change(self, row: PoolRow, document: Document) -> None:
        """Give a pool other properties; nodes see a new start task when they boot."""
        text = json.dumps(document)
        self.store.pools.change(row.no, text, self.clock.stamp())
        pool, new = self._pools[row.no].pool, _capacity(row._replace(document=text))
        pool.fill, pool.slots_per_node = new.fill, new.slots_per_node

    def recent_tasks(self, row: NodeRow) -> Iterator[tuple[TaskRow, str]]:
        """Yield the tasks that were put on a node last and are still there, the newest first, with their jobs' ids."""
        member = self._member(row)
        for no, job_id in dict.fromkeys(reversed(member.node.recent)) if member else ():
            if (task := self.store.tasks.by_number(no)) is not None:
                yield task, job_id

    def load(self, row: NodeRow) -> tuple[int, int]:
        """Return how many tasks and subtasks are on a node now, and the slots they hold."""
        member = self._member(row)
        return (member.node.runs, member.node.used) if member else (0, 0)

    def _member(self, row: NodeRow) -> Member | None:
        live = self._pools.get(row.pool_no)
        return live.members.get(row.no) if live else None

    def delete(self, row: PoolRow, *, linger: float = 0) -> None:
        """Begin to remove a pool and its nodes; `deleting` is visible when this returns.

        For `linger` seconds its nodes and their files can still be read, while they are leaving.
        """
        if row.state != PoolState.DELETING:
            self._empty(row)
        self.background.start(self._delete(row, linger), f"delete pool {row.id}")

    def _empty(self, row: PoolRow) -> None:
        """Show a pool that is being deleted as one that resizes to nothing (recordings of many deleted pools)."""
        store, now = self.store, self.clock.stamp()
        document = {
            **json.loads(row.document),
            "targetDedicatedNodes": 0,
            "targetLowPriorityNodes": 0,
            "resizeTimeout": _TIMEOUT_OF_DELETED,
        }
        with store.transaction():
            store.pools.change(row.no, json.dumps(document), now)
            store.pools.set_allocation(row.no, AllocationState.RESIZING, now)
            store.pools.set_state(row.no, PoolState.DELETING, now)

    def _start_resize(self, live: LivePool, resize: Resize) -> None:
        work = self._resize(live, live.resize, resize)
        live.resize = self.background.start(work, f"resize pool {live.pool.id}")

    async def _resize(self, live: LivePool, earlier: asyncio.Task[None] | None, resize: Resize) -> None:
        await _end([earlier])
        await self.allocation.run(live, resize)

    async def _stop(self, live: LivePool) -> None:
        await _end([live.resize])
        live.resize = None
        await asyncio.sleep(_STOPPING)
        self.allocation.stop(live)

    async def _delete(self, row: PoolRow, linger: float) -> None:
        """Requeue what runs, remove the nodes with their files, then the pool itself."""
        self.dispatcher.remove_pool(row.id)
        live = self._pools.pop(row.no)
        await _end([live.resize])
        members = list(live.members.values())
        for member in members:
            self.nodes.close(member)
            self.nodes.set_state(member, NodeState.LEAVING_POOL)
        await self.runs.end(self.runs.of_nodes({member.no for member in members}), Ending.REQUEUE)
        await asyncio.sleep(max(linger, _LEAVING))
        for member in members:
            await self.allocation.remove(live, member)
        with self.store.transaction():
            self.store.pools.delete(row.no)


async def _end(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _capacity(row: PoolRow) -> Pool:
    document: Document = json.loads(row.document)
    return Pool(
        no=row.no,
        id=row.id,
        slots_per_node=document["taskSlotsPerNode"],
        inter_node=document["enableInterNodeCommunication"],
        runs_containers=runs_containers(document),
        fill=NodeFillType(document["taskSchedulingPolicy"]["nodeFillType"].lower()),
    )


def _new_row(pool_id: str, pool: Document, now: str) -> PoolRow:
    return PoolRow(
        no=0,
        id=pool_id,
        document=json.dumps(pool),
        created=now,
        modified=now,
        state=PoolState.ACTIVE,
        state_time=now,
        # Also where no node is wanted (recordings of every new pool).
        allocation_state=AllocationState.RESIZING,
        allocation_time=now,
    )
