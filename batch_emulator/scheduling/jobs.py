"""The lives of jobs: their end by request, by their last task, by their time limit; removal."""

import asyncio
from dataclasses import dataclass
from typing import Final

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.model.jobs import ALL_TASKS_COMPLETED
from batch_emulator.model.states import JobState
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.runs import Ending, Runs
from batch_emulator.store.jobs import JobRow

#: Tasks removed between two looks at other work.
_DELETE_BATCH: Final = 2000


@dataclass(kw_only=True, eq=False)
class JobLife:
    """Makes jobs do what their rows say."""

    runs: Runs
    directories: NodeDirectories
    background: Background

    def terminate(self, job: JobRow, reason: str) -> None:
        """Begin the end of an active job; ``terminating`` is visible when this returns."""
        now = self.runs.clock.stamp()
        with self.runs.store.transaction():
            self.runs.store.jobs.set_state(job.no, JobState.TERMINATING, now)
            self.runs.store.jobs.set_ended(job.no, reason, now)
        self.background.start(self._terminate(job), f"terminate job {job.id}")

    def delete(self, job: JobRow) -> None:
        """Begin to remove a job; ``deleting`` is visible when this returns."""
        if job.state != JobState.DELETING:
            now = self.runs.clock.stamp()
            self.runs.store.jobs.set_state(job.no, JobState.DELETING, now)
        self.background.start(self._delete(job), f"delete job {job.id}")

    def resume(self, job: JobRow) -> None:
        """Take up an ending of an earlier process."""
        if job.state == JobState.DELETING:
            self.delete(job)
        elif job.state == JobState.TERMINATING:
            self.background.start(self._terminate(job), f"terminate job {job.id}")
        else:
            self.end_if_done(job.id)

    def end_if_done(self, job_id: str) -> None:
        """Terminate a job that asked for it once no task of it is left to complete.

        That holds for a job without tasks, too:
        https://learn.microsoft.com/azure/batch/jobs-and-tasks
        """
        job = self.runs.store.jobs.get(job_id)
        if job is None or not job.ends_with_tasks or job.state != JobState.ACTIVE:
            return
        if not self.runs.store.tasks.has_incomplete(job.no):
            self.terminate(job, ALL_TASKS_COMPLETED)

    async def _terminate(self, job: JobRow) -> None:
        store = self.runs.store
        await self.runs.end(self.runs.of_job(job.no), Ending.TERMINATE)
        current = store.jobs.get(job.id)
        if current and current.no == job.no and current.state == JobState.TERMINATING:
            store.jobs.set_state(job.no, JobState.COMPLETED, self.runs.clock.stamp())

    async def _delete(self, job: JobRow) -> None:
        await self.runs.end(self.runs.of_job(job.no), Ending.DISCARD)
        await asyncio.to_thread(self.directories.remove_job, job.id)
        more = True
        while more:
            more = self.runs.store.tasks.delete_some(job.no, _DELETE_BATCH)
            await asyncio.sleep(0)
        self.runs.store.jobs.delete(job.no)
