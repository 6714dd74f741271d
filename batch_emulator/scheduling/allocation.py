"""Brings a pool to its targets: adds nodes, chooses which leave, and reports what prevented it."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.environment import Place
from batch_emulator.faults.quotas import Quotas
from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.scheduling.nodes import Member, NodeLife
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import AllocationState, DeallocationOption, NodeState, SchedulingState
from batch_emulator.values.timestamps import Clock

#: How long a pool looks for machines, and how long it is still resizing when it has them, in seconds.
_SEARCH: Final = 0.12
_SETTLE: Final = 0.02

_READY: Final = frozenset({NodeState.IDLE, NodeState.RUNNING, NodeState.OFFLINE})


@dataclass(frozen=True, kw_only=True)
class Resize:
    """How a resize goes about it; `timeout` in seconds, `leaving` the numbers of the nodes that must go."""

    option: DeallocationOption = DeallocationOption.REQUEUE
    timeout: float | None = None
    leaving: frozenset[int] = frozenset()


@dataclass(kw_only=True, eq=False)
class LivePool:
    """A pool as the emulator drives it: its capacity, its nodes by number, its resize if there is one."""

    pool: Pool
    members: dict[int, Member] = field(default_factory=dict)
    resize: asyncio.Task[None] | None = None


@dataclass(kw_only=True, eq=False)
class Allocation:
    """Adds nodes to pools and takes nodes away."""

    store: Store
    clock: Clock
    nodes: NodeLife
    directories: NodeDirectories
    quotas: Quotas

    async def run(self, live: LivePool, resize: Resize) -> None:
        """Bring a pool to the targets of its document, then make it steady; note what failed."""
        errors: list[Document] = []
        try:
            async with asyncio.timeout(resize.timeout):
                await asyncio.sleep(_SEARCH)
                errors = await self._reach_targets(live, resize)
        except TimeoutError:
            errors = [timed_out()]
        self.settle(live, errors)

    def stop(self, live: LivePool) -> None:
        """End a resize that the user stopped, which is an error where nodes are missing or too many.

        Where there are none, none is shown (recording `should_stop_pool_resizing`).
        """
        rows = self.store.nodes.of_pool(live.pool.no)
        dedicated = sum(row.dedicated for row in rows)
        reached = (dedicated, len(rows) - dedicated) == self._targets(live)
        self.settle(live, [] if reached else [stopped()])

    def settle(self, live: LivePool, errors: list[Document]) -> None:
        """End a resize: nodes that have not left stay."""
        for member in live.members.values():
            if self.nodes.state(member) is NodeState.LEAVING_POOL:
                self.nodes.open(member)
        with self.store.transaction():
            self.store.pools.set_resize_errors(live.pool.no, json.dumps(errors) if errors else None)
            self.store.pools.set_allocation(live.pool.no, AllocationState.STEADY, self.clock.stamp())

    async def _reach_targets(self, live: LivePool, resize: Resize) -> list[Document]:
        """Add and take away nodes; return the errors about those that the account's cores do not allow."""
        rows = self.store.nodes.of_pool(live.pool.no)
        leaving: list[Member] = []
        errors: list[Document] = []
        for dedicated, target in enumerate(self._targets(live)[::-1]):
            kind = [row for row in rows if row.dedicated == dedicated]
            excess = max(len(kind) - target, 0)
            leaving += [live.members[row.no] for row in self._by_dispensability(kind, live, resize)[:excess]]
            wanted = max(target - len(kind), 0)
            granted = self._granted(live, wanted, dedicated=bool(dedicated))
            self.add(live, granted, dedicated=bool(dedicated))
            errors += [core_quota_reached(dedicated=bool(dedicated))] if granted < wanted else []
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(_SETTLE))
            for member in leaving:
                group.create_task(self._release(live, member, resize.option))
        return errors

    def _granted(self, live: LivePool, wanted: int, *, dedicated: bool) -> int:
        """Return how many of the nodes wanted the account's cores allow."""
        row = self.store.pools.by_number(live.pool.no)
        if row is None or not wanted or not self.quotas.limits_cores(dedicated=dedicated):
            return wanted
        vm_size = json.loads(row.document)["vmSize"]
        return min(wanted, self.quotas.affordable(self.store.nodes.by_size(), vm_size, dedicated=dedicated))

    def _targets(self, live: LivePool) -> tuple[int, int]:
        row = self.store.pools.by_number(live.pool.no)
        document = json.loads(row.document) if row else {}
        return int(document.get("targetDedicatedNodes", 0)), int(document.get("targetLowPriorityNodes", 0))

    def _by_dispensability(self, rows: Iterable[NodeRow], live: LivePool, resize: Resize) -> list[NodeRow]:
        """Order nodes: those named, those on their way out, those that take no tasks, the least busy, the newest."""
        return sorted(
            rows,
            key=lambda row: (
                row.no not in resize.leaving,
                row.state != NodeState.LEAVING_POOL,
                row.state in _READY,
                live.members[row.no].node.runs,
                -row.no,
            ),
        )

    def add(self, live: LivePool, count: int, *, dedicated: bool) -> None:
        """Add nodes of one kind to a pool and boot them."""
        with self.store.transaction():
            rows = [self.store.nodes.insert(self._new_node(live.pool.no, dedicated=dedicated)) for _ in range(count)]
        for row in rows:
            self.nodes.boot(self.adopt(live, row))

    def adopt(self, live: LivePool, row: NodeRow) -> Member:
        """Make a stored node a member of its pool."""
        place = Place(
            pool_id=live.pool.id,
            node_id=row.id,
            is_dedicated=bool(row.dedicated),
            directory=self.directories.node(row.id),
            runs_containers=live.pool.runs_containers,
        )
        node = Node(no=row.no, place=place, slots=live.pool.slots_per_node)
        member = live.members[row.no] = Member(no=row.no, node=node, pool=live.pool)
        return member

    def _new_node(self, pool_no: int, *, dedicated: bool) -> NodeRow:
        now = self.clock.stamp()
        return NodeRow(
            no=0,
            pool_no=pool_no,
            id=f"tvmps_{uuid4().hex}{uuid4().hex}_{'d' if dedicated else 'p'}",
            dedicated=int(dedicated),
            state=NodeState.CREATING,
            state_time=now,
            boot_time=now,
            allocation_time=now,
            start_task_info=None,
            scheduling=SchedulingState.ENABLED,
            errors=None,
            tasks_run=0,
            tasks_succeeded=0,
        )

    async def _release(self, live: LivePool, member: Member, option: DeallocationOption) -> None:
        """Empty a node and take it out of its pool; one that is broken has nothing to wait for."""
        self.nodes.close(member)
        self.nodes.set_state(member, NodeState.LEAVING_POOL)
        await self.nodes.drain(member, option)
        await self.remove(live, member)

    async def remove(self, live: LivePool, member: Member) -> None:
        """Take a node out of its pool now; its tasks go back to the queue, its files are deleted."""
        await self.nodes.power_off(member)
        live.members.pop(member.no, None)
        self.store.nodes.delete(member.no)
        await asyncio.to_thread(member.node.place.directory.remove)


def timed_out() -> Document:
    """Build the resize error of a pool that did not reach its targets in time."""
    return {
        "code": "AllocationTimedOut",
        "message": "Desired number of nodes could not be allocated or removed as the resize timeout was reached",
    }


def core_quota_reached(*, dedicated: bool) -> Document:
    """Build the resize error of a pool that wants more cores than the account has.

    Codes: PoolResizeErrorCodes of the .NET client.
    """
    return {
        "code": "AccountCoreQuotaReached" if dedicated else "AccountLowPriorityCoreQuotaReached",
        "message": f"The specified account has reached {'' if dedicated else 'low priority '}core quota",
    }


def stopped() -> Document:
    """Build the resize error of a resize that the user stopped."""
    return {
        "code": "ResizeStopped",
        "message": "Desired number of nodes could not be allocated or removed as the resize was stopped",
    }
