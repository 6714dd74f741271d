"""The lives of nodes: boot, start task, reboot, deallocation, and whether they take tasks."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Final

from batch_emulator.execution.environment import NODE_MARK
from batch_emulator.execution.leftovers import kill_leftovers
from batch_emulator.execution.outcome import RunError
from batch_emulator.execution.packages import Packages
from batch_emulator.model.mounts import mount_paths
from batch_emulator.model.package_references import references_of
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.draining import Draining
from batch_emulator.scheduling.start_tasks import StartTasks
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import DeallocationOption, NodeState, SchedulingState
from batch_emulator.values.timestamps import Clock

logger = logging.getLogger(__name__)

#: How long a node stays in each state of its boot, in seconds: enough to be seen.
_BOOT_STEP: Final = 0.05


@dataclass(kw_only=True, eq=False)
class Member:
    """A node of a pool as the emulator drives it.

    `node` is in `pool.nodes` exactly while tasks may be put on it. `work` is what is being done to the
    node (a boot, a reboot), `start_task` a start task that nobody waits for.
    """

    no: int
    node: Node
    pool: Pool
    work: asyncio.Task[None] | None = None
    start_task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        return self.node.place.node_id


@dataclass(kw_only=True, eq=False)
class NodeLife:
    """Makes nodes do what is asked of them."""

    store: Store
    clock: Clock
    draining: Draining
    packages: Packages
    dispatcher: Dispatcher
    background: Background
    start_tasks: StartTasks

    def boot(self, member: Member) -> None:
        """Boot a node that is there for the first time."""
        self._begin(member, partial(self._boot, member), "boot")

    def restart(self, member: Member, state: NodeState, option: DeallocationOption) -> None:
        """Begin a reboot or a reimaging: `state` says which, and is visible when this returns."""
        self.close(member)
        self.set_state(member, state)
        self._begin(member, partial(self._restart, member, state, option), state)

    def deallocate(self, member: Member, option: DeallocationOption) -> None:
        """Begin to give a node's machine back; `deallocating` is visible when this returns.

        It takes no tasks until it has been started again (recording `should_deallocate_and_then_start`).
        """
        self.close(member)
        self.store.nodes.set_scheduling(member.no, SchedulingState.DISABLED)
        self.set_state(member, NodeState.DEALLOCATING)
        self._begin(member, partial(self._deallocate, member, option), "deallocate")

    def start(self, member: Member) -> None:
        """Boot a node whose machine was off; `starting` is visible when this returns."""
        if self.state(member) is NodeState.DEALLOCATED:
            self.store.nodes.set_scheduling(member.no, SchedulingState.ENABLED)
        self.set_state(member, NodeState.STARTING)
        self._begin(member, partial(self._start, member), "start")

    async def disable_scheduling(self, member: Member, option: DeallocationOption) -> None:
        """Take no new tasks; return when those that the option ends are ended."""
        self.close(member)
        self.store.nodes.set_scheduling(member.no, SchedulingState.DISABLED)
        if self.state(member) == NodeState.IDLE:
            self.set_state(member, NodeState.OFFLINE)
        if option in {DeallocationOption.REQUEUE, DeallocationOption.TERMINATE}:
            await self.drain(member, option)

    def enable_scheduling(self, member: Member) -> None:
        """Take tasks again, at once or when the node has booted."""
        self.store.nodes.set_scheduling(member.no, SchedulingState.ENABLED)
        if self.state(member) in {NodeState.OFFLINE, NodeState.RUNNING}:
            self.open(member)

    def open(self, member: Member) -> None:
        """Let tasks be put on a node, unless its scheduling is disabled."""
        row = self.store.nodes.by_number(member.no)
        disabled = row is None or row.scheduling == SchedulingState.DISABLED
        quiet = NodeState.OFFLINE if disabled else NodeState.IDLE
        self.set_state(member, NodeState.RUNNING if member.node.runs else quiet)
        if not disabled and member.node not in member.pool.nodes:
            member.pool.nodes.append(member.node)
            self.dispatcher.wake(member.pool.id)

    def close(self, member: Member) -> None:
        """Let no more tasks be put on a node."""
        if member.node in member.pool.nodes:
            member.pool.nodes.remove(member.node)

    async def drain(self, member: Member, option: DeallocationOption) -> None:
        """Return when no task runs on a node any more; it must be closed."""
        await self.draining.drain(member.no, member.id, option)

    async def power_off(self, member: Member) -> None:
        """End what is being done to a node, its tasks (they go back to the queue) and all their processes."""
        self.close(member)
        await _cancel(member.work)
        member.work = None
        await self._stop_processes(member)

    async def _stop_processes(self, member: Member) -> None:
        await _cancel(member.start_task)
        member.start_task = None
        await self.drain(member, DeallocationOption.REQUEUE)
        await asyncio.to_thread(kill_leftovers, NODE_MARK, member.node.place.directory.root)

    async def _boot(self, member: Member) -> None:
        await asyncio.sleep(_BOOT_STEP)
        await self._start(member)

    async def _restart(self, member: Member, state: NodeState, option: DeallocationOption) -> None:
        await self.drain(member, option)
        await self._stop_processes(member)
        if state is NodeState.REIMAGING:
            await asyncio.to_thread(member.node.place.directory.remove)
            self.store.nodes.delete_users(member.no)
        await asyncio.sleep(_BOOT_STEP)
        await self._start(member)

    async def _deallocate(self, member: Member, option: DeallocationOption) -> None:
        await self.drain(member, option)
        await self._stop_processes(member)
        await asyncio.to_thread(member.node.place.directory.remove)
        await asyncio.sleep(_BOOT_STEP)
        self.set_state(member, NodeState.DEALLOCATED)

    async def _start(self, member: Member) -> None:
        """Go from a machine that is off to a node that takes tasks."""
        nodes = self.store.nodes
        self.set_state(member, NodeState.STARTING)
        nodes.set_errors(member.no, None)
        try:
            await asyncio.to_thread(member.node.place.directory.create, self._mount_paths(member))
        except OSError as exc:
            self.break_down(member, "DiskFull", f"The node's directory cannot be made: {exc.strerror}")
            return
        await asyncio.sleep(_BOOT_STEP)
        # Until then a node reports its last boot (recording `should_deallocate_and_then_start`).
        nodes.set_booted(member.no, self.clock.stamp())
        nodes.set_start_task_info(member.no, None)
        if await self._gets_packages(member) and await self._passes_start_task(member):
            self.open(member)

    async def _gets_packages(self, member: Member) -> bool:
        """Unpack the pool's application packages; return whether all are installed."""
        row = self.store.pools.by_number(member.pool.no)
        references = references_of(json.loads(row.document)) if row else []
        place = member.node.place
        try:
            variables = await self.packages.install(references, place.directory)
        except RunError as exc:
            self.break_down(member, exc.failure.code, exc.failure.message)
            return False
        place.packages.clear()
        place.packages.update(variables)
        return True

    async def _passes_start_task(self, member: Member) -> bool:
        """Run the pool's start task as it is now; return whether tasks may follow."""
        task = self._start_task(member)
        if task is None:
            return True
        if not task["waitForSuccess"]:
            work = self._run_unattended(member, task)
            member.start_task = self.background.start(work, f"start task {member.id}")
            return True
        self.set_state(member, NodeState.WAITING_FOR_START_TASK)
        succeeded = await self.start_tasks.run(member.no, member.node.place, task)
        if not succeeded:
            self.set_state(member, NodeState.START_TASK_FAILED)
        return succeeded

    async def _run_unattended(self, member: Member, task: Document) -> None:
        await self.start_tasks.run(member.no, member.node.place, task)

    def _start_task(self, member: Member) -> Document | None:
        row = self.store.pools.by_number(member.pool.no)
        return None if row is None else json.loads(row.document).get("startTask")

    def _mount_paths(self, member: Member) -> list[str]:
        row = self.store.pools.by_number(member.pool.no)
        return [] if row is None else mount_paths(json.loads(row.document))

    def break_down(self, member: Member, code: str, message: str) -> None:
        """Make a node unusable and note why."""
        self.close(member)
        self.store.nodes.set_errors(member.no, json.dumps([{"code": code, "message": message}]))
        self.set_state(member, NodeState.UNUSABLE)

    def state(self, member: Member) -> NodeState | None:
        row = self.store.nodes.by_number(member.no)
        return None if row is None else NodeState(row.state)

    def set_state(self, member: Member, state: NodeState) -> None:
        self.store.nodes.set_state(member.no, state, self.clock.stamp())

    def _begin(self, member: Member, work: Callable[[], Coroutine[object, object, None]], name: str) -> None:
        """Do one thing to a node after the one that is being done to it is cancelled."""
        following = _after(member.work, work)
        member.work = self.background.start(following, f"{name} node {member.id}")


async def _after(earlier: asyncio.Task[None] | None, work: Callable[[], Coroutine[object, object, None]]) -> None:
    await _cancel(earlier)
    await work()


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
