"""The emulated account: everything below HTTP, wired together."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from batch_emulator.applications import Applications
from batch_emulator.autoscale.machine import Machine
from batch_emulator.execution.container_run import label_of
from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.environment import NODE_MARK, Account
from batch_emulator.execution.leftovers import kill_leftovers
from batch_emulator.execution.transfers import Sources, Transfers
from batch_emulator.faults.controls import Controls
from batch_emulator.images import Images
from batch_emulator.location import Location
from batch_emulator.model.container_settings import runs_containers
from batch_emulator.scheduling.allocation import Allocation
from batch_emulator.scheduling.auto_pools import AutoPools
from batch_emulator.scheduling.auto_scale import AutoScale
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.draining import Draining
from batch_emulator.scheduling.events import (
    Due,
    Events,
    JobEnabled,
    JobEnded,
    PoolScales,
    RunEnded,
    TaskDeleted,
    WaitingTaskEnded,
)
from batch_emulator.scheduling.expiry import Expiry
from batch_emulator.scheduling.job_schedules import JobScheduleLife
from batch_emulator.scheduling.job_switch import JobSwitch
from batch_emulator.scheduling.jobs import JobLife
from batch_emulator.scheduling.lifecycle_tasks import LifecycleTasks
from batch_emulator.scheduling.node_failures import NodeFailures
from batch_emulator.scheduling.nodes import NodeLife
from batch_emulator.scheduling.pools import PoolLife
from batch_emulator.scheduling.preparations import Preparations
from batch_emulator.scheduling.releases import Releases
from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs
from batch_emulator.scheduling.start_tasks import StartTasks
from batch_emulator.scheduling.tasks import TaskLife
from batch_emulator.store.state import Store
from batch_emulator.values.states import JobState
from batch_emulator.values.timestamps import Clock

#: Replaces the service by a new one with an empty state.
type Reset = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class BatchService:
    """What the handlers work with."""

    store: Store
    clock: Clock
    account: Account
    directories: NodeDirectories
    runs: Runs
    dispatcher: Dispatcher
    nodes: NodeLife
    pools: PoolLife
    node_failures: NodeFailures
    auto_scale: AutoScale
    tasks: TaskLife
    jobs: JobLife
    auto_pools: AutoPools
    job_schedules: JobScheduleLife
    expiry: Expiry
    background: Background
    transfers: Transfers
    controls: Controls
    applications: Applications
    images: Images
    reset: Reset

    @classmethod
    def open(
        cls,
        location: Location,
        account: Account,
        controls: Controls,
        sources: Sources,
        reset: Reset,
        *,
        strict_images: bool = False,
    ) -> Self:
        """Open the state and take up where an earlier process stopped.

        Must be called in the event loop. Raises StoreError.
        """
        store, clock, background, events = Store(location.database), Clock(), Background(), Events()
        directories = NodeDirectories(root=location.nodes)
        transfers = Transfers(sources)
        lifecycle = LifecycleTasks(clock=clock, account=account, transfers=transfers)
        preparations = Preparations(store=store, lifecycle=lifecycle, background=background)
        runs = Runs(
            store=store, clock=clock, account=account, transfers=transfers, preparations=preparations, events=events
        )
        dispatcher = Dispatcher(store=store, runs=runs, preparations=preparations)
        start_tasks = StartTasks(store=store, lifecycle=lifecycle)
        nodes = NodeLife(
            store=store,
            clock=clock,
            draining=Draining(store=store, clock=clock, runs=runs),
            packages=transfers.packages,
            dispatcher=dispatcher,
            background=background,
            start_tasks=start_tasks,
        )
        allocation = Allocation(store=store, clock=clock, nodes=nodes, directories=directories, quotas=controls.quotas)
        pools = PoolLife(
            store=store,
            clock=clock,
            runs=runs,
            nodes=nodes,
            allocation=allocation,
            dispatcher=dispatcher,
            background=background,
            events=events,
        )
        auto_pools = AutoPools(store=store, pools=pools)
        tasks = TaskLife(
            store=store, clock=clock, runs=runs, dispatcher=dispatcher, directories=directories, events=events
        )
        jobs = JobLife(
            store=store,
            clock=clock,
            tasks=tasks,
            runs=runs,
            preparations=preparations,
            releases=Releases(store=store, lifecycle=lifecycle, directories=directories, background=background),
            switching=JobSwitch(
                store=store, clock=clock, runs=runs, dispatcher=dispatcher, background=background, events=events
            ),
            dispatcher=dispatcher,
            directories=directories,
            background=background,
            events=events,
        )
        service = cls(
            store=store,
            clock=clock,
            account=account,
            directories=directories,
            runs=runs,
            dispatcher=dispatcher,
            nodes=nodes,
            pools=pools,
            node_failures=NodeFailures(store=store, clock=clock, pools=pools, nodes=nodes, start_tasks=start_tasks),
            auto_scale=AutoScale(
                store=store, clock=clock, pools=pools, machine=Machine(directory=location.root), background=background
            ),
            tasks=tasks,
            jobs=jobs,
            auto_pools=auto_pools,
            job_schedules=JobScheduleLife(store=store, clock=clock, jobs=jobs, auto_pools=auto_pools),
            expiry=Expiry(store=store, clock=clock, jobs=jobs, directories=directories),
            background=background,
            transfers=transfers,
            controls=controls,
            applications=sources.applications,
            images=Images(strict=strict_images, now=clock.now),
            reset=reset,
        )
        service._subscribe(events)
        service._resume()
        return service

    def _subscribe(self, events: Events) -> None:
        """Decide who acts on what."""
        events.subscribe(RunEnded, lambda event: self.dispatcher.wake(event.run.node.place.pool_id))
        events.subscribe(RunEnded, self.jobs.run_ended)
        events.subscribe(WaitingTaskEnded, self.jobs.waiting_task_ended)
        events.subscribe(TaskDeleted, lambda event: self.jobs.end_if_done(event.job_id))
        events.subscribe(JobEnabled, lambda event: self.jobs.end_if_done(event.job_id))
        # The pool that was the job's alone goes before its schedule makes the next one.
        events.subscribe(JobEnded, lambda event: self.auto_pools.release_own(event.job))
        events.subscribe(JobEnded, self.job_schedules.job_ended)
        events.subscribe(PoolScales, lambda event: self.auto_scale.start(event.pool_no))
        events.subscribe(Due, self.expiry.expect)

    async def close(self) -> None:
        """End every process, then the emulator's own work, then the database."""
        self.dispatcher.close()
        await self.background.stop()
        await self.runs.end(self.runs.all(), Ending.DISCARD)
        await self.transfers.close()
        self.store.close()

    def _resume(self) -> None:
        """Treat the end of an earlier process as a reboot of every node."""
        self._requeue_running()
        for pool in self.store.pools.all():
            self.pools.resume(pool)
        for job in self.store.jobs.in_state(*set(JobState) - {JobState.DISABLED, JobState.COMPLETED}):
            self.jobs.resume(job)
        self.job_schedules.resume()
        self.background.start(self.expiry.watch(), "expiry")
        self.background.start(self.job_schedules.watch(), "job schedules")

    def _requeue_running(self) -> None:
        if pools := self.store.pools.all():
            kill_leftovers(NODE_MARK, self.directories.root, below=True)
            if any(runs_containers(json.loads(pool.document)) for pool in pools):
                self._remove_containers()
        with self.store.transaction():
            for no in self.store.tasks.running():
                self.store.tasks.requeue(no, self.clock.stamp())
            self.store.subtasks.forget_running()

    def _remove_containers(self) -> None:
        """Remove what a process left running that could not end as it should."""
        if engine := self.transfers.engines.find_now():
            engine.remove_labelled(label_of(self.directories.root))
