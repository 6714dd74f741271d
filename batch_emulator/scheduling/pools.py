"""The lives of pools and their nodes: allocation, boot, start task, removal."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from batch_emulator.execution.attempt import Attempt, perform
from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.environment import Place, node_environment, with_settings
from batch_emulator.execution.outcome import Outcome
from batch_emulator.model.schema import Document
from batch_emulator.model.states import (
    AllocationState,
    NodeFillType,
    NodeState,
    PoolState,
    StartTaskState,
    TaskResult,
)
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.runs import Ending, Runs
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow

log = logging.getLogger(__name__)

#: How long a node stays in each state of its boot, in seconds: enough to be seen.
_BOOT_STEP: Final = 0.05


@dataclass(kw_only=True, eq=False)
class PoolLife:
    """Makes pools do what their rows say."""

    runs: Runs
    dispatcher: Dispatcher
    directories: NodeDirectories
    background: Background
    _allocations: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def create(self, pool_id: str, pool: Document) -> PoolRow:
        """Add a pool and allocate its nodes: ``pool`` holds its stored properties, without its id."""
        row = self.runs.store.pools.insert(
            _new_row(pool_id, pool, self.runs.clock.stamp()),
            vm_size=pool["vmSize"],
            auto_scale=pool["enableAutoScale"],
            inter_node=pool["enableInterNodeCommunication"],
        )
        self.begin(row)
        return row

    def begin(self, row: PoolRow) -> None:
        """Allocate the nodes of a new pool."""
        work = self._allocate(row)
        self._allocations[row.no] = self.background.start(work, f"allocate pool {row.id}")

    def resume(self, row: PoolRow) -> None:
        """Take up a pool of an earlier process: its nodes boot again."""
        if row.state == PoolState.DELETING:
            self.delete(row)
        else:
            self.begin(row)

    def delete(self, row: PoolRow) -> None:
        """Begin to remove a pool and its nodes; ``deleting`` is visible when this returns."""
        if row.state != PoolState.DELETING:
            self.runs.store.pools.set_state(row.no, PoolState.DELETING, self.runs.clock.stamp())
        self.background.start(self._delete(row), f"delete pool {row.id}")

    async def _allocate(self, row: PoolRow) -> None:
        document = json.loads(row.document)
        pool = _capacity(row, document)
        nodes = self.runs.store.nodes.of_pool(row.no) or self._create_nodes(row, document)
        self.dispatcher.add_pool(pool)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle(row))
            for node in nodes:
                group.create_task(self._boot(node, pool, document, group))

    def _create_nodes(self, row: PoolRow, document: Document) -> list[NodeRow]:
        store = self.runs.store
        dedicated = int(document["targetDedicatedNodes"])
        total = dedicated + int(document["targetLowPriorityNodes"])
        with store.transaction():
            return [
                store.nodes.insert(self._new_node(row.no, index, dedicated=index < dedicated)) for index in range(total)
            ]

    def _new_node(self, pool_no: int, index: int, *, dedicated: bool) -> NodeRow:
        now = self.runs.clock.stamp()
        return NodeRow(
            no=0,
            pool_no=pool_no,
            id=f"tvmps_{uuid4().hex}{uuid4().hex}_{'d' if dedicated else 'p'}",
            dedicated=int(dedicated),
            state=NodeState.CREATING,
            state_time=now,
            boot_time=now,
            allocation_time=now,
            ip_address=f"10.0.{index // 250}.{index % 250 + 4}",
            start_task_info=None,
            tasks_run=0,
            tasks_succeeded=0,
        )

    async def _settle(self, row: PoolRow) -> None:
        await asyncio.sleep(_BOOT_STEP)
        store = self.runs.store
        store.pools.set_allocation(row.no, AllocationState.STEADY, self.runs.clock.stamp())

    async def _boot(self, row: NodeRow, pool: Pool, document: Document, group: asyncio.TaskGroup) -> None:
        place = Place(
            pool_id=pool.id,
            node_id=row.id,
            is_dedicated=bool(row.dedicated),
            directory=self.directories.node(row.id),
        )
        await asyncio.sleep(_BOOT_STEP)
        self._set_state(row, NodeState.STARTING)
        self.runs.store.nodes.set_booted(row.no, self.runs.clock.stamp())
        await asyncio.to_thread(place.directory.create)
        await asyncio.sleep(_BOOT_STEP)
        if task := document.get("startTask"):
            running = group.create_task(self._run_start_task(row, place, task))
            if task["waitForSuccess"] and not await self._wait_for_start_task(row, running):
                return
        self._set_state(row, NodeState.IDLE)
        pool.nodes.append(Node(no=row.no, place=place, slots=pool.slots_per_node))
        self.dispatcher.wake(pool.id)

    def _set_state(self, row: NodeRow, state: NodeState) -> None:
        self.runs.store.nodes.set_state(row.no, state, self.runs.clock.stamp())

    async def _wait_for_start_task(self, row: NodeRow, running: asyncio.Task[bool]) -> bool:
        self._set_state(row, NodeState.WAITING_FOR_START_TASK)
        succeeded = await running
        if not succeeded:
            self._set_state(row, NodeState.START_TASK_FAILED)
        return succeeded

    async def _run_start_task(self, row: NodeRow, place: Place, task: Document) -> bool:
        """Run the start task, with its retries; tell whether it succeeded."""
        retries = 0
        while True:
            outcome = await self._start_task_once(row, place, task, retries)
            limit = task["maxTaskRetryCount"]
            if not outcome.may_retry or 0 <= limit <= retries:
                return outcome.failure is None
            retries += 1

    async def _start_task_once(self, row: NodeRow, place: Place, task: Document, retries: int) -> Outcome:
        directory = place.directory.start_task()
        service = node_environment(self.runs.account, place, directory)
        started = self.runs.clock.stamp()
        info: Document = {"startTime": started, "retryCount": retries}
        if retries:
            info["lastRetryTime"] = started
        self._note(row, {"state": StartTaskState.RUNNING, **info})
        attempt = Attempt(
            command_line=task["commandLine"],
            directory=directory,
            environment=with_settings(service, task.get("environmentSettings", ())),
            resource_files=tuple(task.get("resourceFiles", ())),
        )
        outcome = await perform(attempt, self.runs.downloads)
        info = {"state": StartTaskState.COMPLETED, **info, "endTime": self.runs.clock.stamp()}
        self._note(row, {**info, **_end_of_start_task(outcome)})
        return outcome

    def _note(self, row: NodeRow, info: Document) -> None:
        self.runs.store.nodes.set_start_task_info(row.no, json.dumps(info))

    async def _delete(self, row: PoolRow) -> None:
        """Requeue what runs, remove the nodes with their files, then the pool itself."""
        self.dispatcher.remove_pool(row.id)
        if allocation := self._allocations.pop(row.no, None):
            allocation.cancel()
            await asyncio.gather(allocation, return_exceptions=True)
        store = self.runs.store
        nodes = store.nodes.of_pool(row.no)
        await self.runs.end(self.runs.of_nodes({node.no for node in nodes}), Ending.REQUEUE)
        for node in nodes:
            await asyncio.to_thread(self.directories.node(node.id).remove)
        with store.transaction():
            store.pools.delete(row.no)


def _new_row(pool_id: str, pool: Document, now: str) -> PoolRow:
    return PoolRow(
        no=0,
        id=pool_id,
        document=json.dumps(pool),
        created=now,
        modified=now,
        state=PoolState.ACTIVE,
        state_time=now,
        allocation_state=AllocationState.RESIZING,
        allocation_time=now,
    )


def _capacity(row: PoolRow, document: Document) -> Pool:
    return Pool(
        no=row.no,
        id=row.id,
        slots_per_node=document["taskSlotsPerNode"],
        fill=NodeFillType(document["taskSchedulingPolicy"]["nodeFillType"].lower()),
    )


def _end_of_start_task(outcome: Outcome) -> Document:
    end: Document = {"result": TaskResult.FAILURE if outcome.failure else TaskResult.SUCCESS}
    if outcome.exit_code is not None:
        end["exitCode"] = outcome.exit_code
    if outcome.failure:
        end["failureInfo"] = outcome.failure.document()
    return end
