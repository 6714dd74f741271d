"""Switches jobs off and on: disabling and enabling."""

import asyncio
from dataclasses import dataclass
from typing import Final

from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.events import Due, Events, JobEnabled
from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.states import DisableTasks, JobState
from batch_emulator.values.timestamps import Clock

_ENDINGS: Final = {DisableTasks.REQUEUE: Ending.REQUEUE, DisableTasks.TERMINATE: Ending.TERMINATE}


@dataclass(kw_only=True, eq=False)
class JobSwitch:
    """Takes jobs through disabling to disabled, and through enabling to active, which is announced."""

    store: Store
    clock: Clock
    runs: Runs
    dispatcher: Dispatcher
    background: Background
    events: Events

    def disable(self, job: JobRow, tasks: DisableTasks) -> None:
        """Begin to disable a job; `disabling` is visible when this returns."""
        self._set_by_user(job, JobState.DISABLING)
        self.background.start(self._disable(job, tasks), f"disable job {job.id}")

    def enable(self, job: JobRow) -> None:
        """Begin to enable a disabled job; `enabling` is visible when this returns."""
        self._set_by_user(job, JobState.ENABLING)
        self.background.start(self._enable(job), f"enable job {job.id}")

    def resume(self, job: JobRow) -> None:
        """Take up what an earlier process began: nothing of the job runs any more."""
        if job.state == JobState.DISABLING:
            self._settle(job, JobState.DISABLING, JobState.DISABLED)
        else:
            self.background.start(self._enable(job), f"enable job {job.id}")

    def _set_by_user(self, job: JobRow, state: JobState) -> None:
        now = self.clock.stamp()
        with self.store.transaction():
            self.store.jobs.set_state(job.no, state, now)
            self.store.jobs.touch(job.no, now)

    async def _disable(self, job: JobRow, tasks: DisableTasks) -> None:
        running = self.runs.of_job(job.no)
        if tasks is DisableTasks.WAIT:
            await self.runs.wait(running)
        else:
            await self.runs.end(running, _ENDINGS[tasks])
        self._settle(job, JobState.DISABLING, JobState.DISABLED)

    async def _enable(self, job: JobRow) -> None:
        # One turn of the event loop: long enough for the transition to be a state of its own.
        await asyncio.sleep(0)
        if not self._settle(job, JobState.ENABLING, JobState.ACTIVE):
            return
        if job.expires:
            self.events.announce(Due(time=job.expires))
        self.dispatcher.wake(job.pool_id)
        self.events.announce(JobEnabled(job_id=job.id))

    def _settle(self, job: JobRow, before: JobState, after: JobState) -> bool:
        """Enter the final state, unless the job has been taken elsewhere meanwhile."""
        current = self.store.jobs.get(job.id)
        if current is None or current.no != job.no or current.state != before:
            return False
        self.store.jobs.set_state(job.no, after, self.clock.stamp())
        return True
