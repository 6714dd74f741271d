"""The emulated account: everything below HTTP, wired together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from batch_emulator.applications import Applications
from batch_emulator.autoscale.machine import Machine
from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.environment import NODE_MARK, Account
from batch_emulator.execution.leftovers import kill_leftovers
from batch_emulator.execution.packages import Packages
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.execution.transfers import Transfers
from batch_emulator.faults.controls import Controls
from batch_emulator.faults.quotas import Quotas
from batch_emulator.images import Images
from batch_emulator.location import Location
from batch_emulator.scheduling.allocation import Allocation
from batch_emulator.scheduling.auto_pools import AutoPools
from batch_emulator.scheduling.auto_scale import AutoScale
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.expiry import Expiry
from batch_emulator.scheduling.job_schedules import JobScheduleLife
from batch_emulator.scheduling.job_switch import JobSwitch
from batch_emulator.scheduling.jobs import JobLife
from batch_emulator.scheduling.losses import NodeLosses
from batch_emulator.scheduling.multi_instance import perform_instances
from batch_emulator.scheduling.nodes import NodeLife
from batch_emulator.scheduling.pools import PoolLife
from batch_emulator.scheduling.preparations import Preparations
from batch_emulator.scheduling.releases import Releases
from batch_emulator.scheduling.runs import Ending, Run, Runs
from batch_emulator.scheduling.start_tasks import StartTasks
from batch_emulator.store.jobs import JobRow
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
    directories: NodeDirectories
    runs: Runs
    dispatcher: Dispatcher
    pools: PoolLife
    losses: NodeLosses
    auto_scale: AutoScale
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
        storage: StorageAccount | None,
        applications: Applications,
        reset: Reset,
        *,
        strict_images: bool = False,
    ) -> Self:
        """Open the state and take up where an earlier process stopped.

        Must be called in the event loop. Raises StoreError.
        """
        clock, background = Clock(), Background()
        directories = NodeDirectories(root=location.nodes)
        runs = Runs(
            store=Store(location.database),
            clock=clock,
            account=account,
            transfers=Transfers(storage, Packages(applications)),
        )
        preparations = Preparations(runs=runs, background=background)
        runs.prepare = preparations.ready
        runs.perform_instances = partial(perform_instances, runs)
        dispatcher = Dispatcher(store=runs.store, runs=runs, preparations=preparations)
        pools = _pools(runs, dispatcher, directories, background, controls.quotas)
        auto_scale = AutoScale(pools=pools, machine=Machine(directory=location.root))
        pools.on_scaled = auto_scale.start
        auto_pools = AutoPools(store=runs.store, pools=pools)
        switching = JobSwitch(runs=runs, dispatcher=dispatcher, background=background)
        releases = Releases(runs=runs, directories=directories, background=background)
        jobs = JobLife(
            runs=runs, switching=switching, releases=releases, directories=directories, background=background
        )
        switching.on_enabled = jobs.end_if_done
        service = cls(
            store=runs.store,
            clock=clock,
            directories=directories,
            runs=runs,
            dispatcher=dispatcher,
            pools=pools,
            losses=NodeLosses(pools=pools),
            auto_scale=auto_scale,
            jobs=jobs,
            auto_pools=auto_pools,
            job_schedules=JobScheduleLife(store=runs.store, clock=clock, jobs=jobs, auto_pools=auto_pools),
            expiry=Expiry(runs=runs, jobs=jobs, directories=directories),
            background=background,
            transfers=runs.transfers,
            controls=controls,
            applications=applications,
            images=Images(strict=strict_images, now=clock.now),
            reset=reset,
        )
        runs.on_end = service._run_ended
        runs.on_expiry = service.expiry.expect
        jobs.on_end = service._job_ended
        service._resume()
        return service

    async def close(self) -> None:
        """End every process, then the emulator's own work, then the database."""
        self.dispatcher.close()
        await self.background.stop()
        await self.runs.end(self.runs.all(), Ending.DISCARD)
        await self.transfers.close()
        self.store.close()

    def _run_ended(self, run: Run) -> None:
        self.dispatcher.wake(run.node.place.pool_id)
        self.jobs.react(run.job.id, run.job_action, run.job_reason)
        self.jobs.end_if_done(run.job.id)

    def _job_ended(self, job: JobRow) -> None:
        """Remove the pool that was the job's alone, and let the job's schedule go on."""
        self.auto_pools.release_own(job)
        self.job_schedules.job_ended(job)

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
        if self.store.pools.all():
            kill_leftovers(NODE_MARK, self.directories.root, below=True)
        with self.store.transaction():
            for no in self.store.tasks.running():
                self.store.tasks.requeue(no, self.clock.stamp())
            self.store.subtasks.forget_running()


def _pools(
    runs: Runs, dispatcher: Dispatcher, directories: NodeDirectories, background: Background, quotas: Quotas
) -> PoolLife:
    nodes = NodeLife(runs=runs, dispatcher=dispatcher, background=background, start_tasks=StartTasks(runs=runs))
    allocation = Allocation(nodes=nodes, directories=directories, quotas=quotas)
    return PoolLife(allocation=allocation, dispatcher=dispatcher, background=background)
