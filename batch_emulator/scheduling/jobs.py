"""The lives of jobs: their start, their end by request, by their last task, by their time limit; removal."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.model.job_tasks import as_task
from batch_emulator.model.jobs import ALL_TASKS_COMPLETED, JOB_MANAGER_COMPLETED
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.model.tasks import read_task
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.claims import ends_job
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.events import Due, Events, JobEnded, RunEnded, WaitingTaskEnded
from batch_emulator.scheduling.job_switch import JobSwitch
from batch_emulator.scheduling.preparations import Preparations
from batch_emulator.scheduling.releases import Releases
from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs
from batch_emulator.scheduling.tasks import TaskLife
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import AllTasksComplete, DisableTasks, JobAction, JobState
from batch_emulator.values.timestamps import Clock, later

#: Tasks removed between two looks at other work.
_DELETE_BATCH: Final = 2000

_ENDING: Final = frozenset({JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING})


@dataclass(kw_only=True, eq=False)
class JobLife:
    """Makes jobs do what their rows say; announces their ends, and when their time limits fall due."""

    store: Store
    clock: Clock
    tasks: TaskLife
    runs: Runs
    preparations: Preparations
    releases: Releases
    switching: JobSwitch
    dispatcher: Dispatcher
    directories: NodeDirectories
    background: Background
    events: Events

    def create(self, job_id: str, job: Document, pool_id: str) -> JobRow:
        """Add an active job: `job` holds its stored properties, validated and without its id."""
        now = self.clock.stamp()
        with self.store.transaction():
            row = self.store.jobs.insert(_new_row(job_id, job, pool_id, now))
            self._add_manager(row, job)
        self.dispatcher.wake(row.pool_id)
        if row.expires:
            self.events.announce(Due(time=row.expires))
        self.end_if_done(row.id)
        return row

    def _add_manager(self, row: JobRow, job: Document) -> None:
        """Add the job manager task as the first task of its job."""
        if "jobManagerTask" in job:
            task = read_task(as_task(job["jobManagerTask"]), TaskRules.of_job(job))
            self.tasks.add(row.no, task.pop("id"), task, row.created)

    def change(self, row: JobRow, job: Document) -> None:
        """Give a job other properties, and let them take effect."""
        changed = _with_properties(row, job)._replace(modified=self.clock.stamp())
        self.store.jobs.update(changed)
        if changed.expires:
            self.events.announce(Due(time=changed.expires))
        self.dispatcher.wake(changed.pool_id)
        self.end_if_done(row.id)

    def terminate(self, job: JobRow, reason: str, *, force: bool = False) -> None:
        """Begin the end of an active job; `terminating` is visible when this returns.

        With `force` the job does not wait for its release tasks.
        """
        now = self.clock.stamp()
        with self.store.transaction():
            self.store.jobs.set_state(job.no, JobState.TERMINATING, now)
            self.store.jobs.touch(job.no, now)
            self.store.jobs.set_terminate_reason(job.no, reason)
        self.background.start(self._terminate(job, force=force), f"terminate job {job.id}")

    def delete(self, job: JobRow, *, force: bool = False) -> None:
        """Begin to remove a job; `deleting` is visible when this returns.

        With `force` the release tasks of a job that had not ended are left out.
        """
        if job.state != JobState.DELETING:
            now = self.clock.stamp()
            self.store.jobs.set_state(job.no, JobState.DELETING, now)
        self.background.start(self._delete(job, force=force), f"delete job {job.id}")

    def resume(self, job: JobRow) -> None:
        """Take up an ending of an earlier process."""
        if job.state == JobState.DELETING:
            self.delete(job)
        elif job.state == JobState.TERMINATING:
            self.background.start(self._terminate(job, force=False), f"terminate job {job.id}")
        elif job.state in {JobState.DISABLING, JobState.ENABLING}:
            self.switching.resume(job)
        else:
            self.end_if_done(job.id)

    def run_ended(self, event: RunEnded) -> None:
        """Do what follows for the job from the end of a run of one of its tasks."""
        run = event.run
        self._react(run.job.id, run.job_action, run.job_reason)
        self.end_if_done(run.job.id)

    def waiting_task_ended(self, event: WaitingTaskEnded) -> None:
        """Do what follows for the job from the end of a task that was on no node."""
        job = self.store.jobs.get(event.job_id)
        if job is not None and ends_job(event.task, json.loads(job.document)):
            self._react(event.job_id, JobAction.TERMINATE, JOB_MANAGER_COMPLETED)
        self.end_if_done(event.job_id)

    def _react(self, job_id: str, action: JobAction, reason: str) -> None:
        """Do to a job that has not ended what the end of one of its tasks asks for."""
        job = self.store.jobs.get(job_id)
        if job is None or job.state in _ENDING:
            return
        if action is JobAction.TERMINATE:
            self.terminate(job, reason)
        elif action is JobAction.DISABLE and job.state == JobState.ACTIVE:
            self.switching.disable(job, DisableTasks.REQUEUE)

    def end_if_done(self, job_id: str) -> None:
        """Terminate a job that asked for it once no task of it is left to complete.

        That holds for a job without tasks, too:
        https://learn.microsoft.com/azure/batch/jobs-and-tasks
        """
        job = self.store.jobs.get(job_id)
        if job is None or not job.ends_with_tasks or job.state != JobState.ACTIVE:
            return
        if not self.store.tasks.has_incomplete(job.no):
            self.terminate(job, ALL_TASKS_COMPLETED)

    async def _terminate(self, job: JobRow, *, force: bool) -> None:
        store = self.store
        await self.runs.end(self.runs.of_job(job.no), Ending.TERMINATE)
        await self.preparations.end(job.no)
        releasing = self.releases.begin(job)
        if not force:
            await asyncio.shield(releasing)
        current = store.jobs.get(job.id)
        if current and current.no == job.no and current.state == JobState.TERMINATING:
            with store.transaction():
                store.jobs.set_state(job.no, JobState.COMPLETED, self.clock.stamp())
                self.events.announce(JobEnded(job=job))

    async def _delete(self, job: JobRow, *, force: bool) -> None:
        await self.runs.end(self.runs.of_job(job.no), Ending.DISCARD)
        await self.preparations.end(job.no)
        releasing = self.releases.begin(job)
        if force:
            releasing.cancel()
        await asyncio.gather(releasing, return_exceptions=True)
        await asyncio.to_thread(self.directories.remove_job, job.id)
        more = True
        while more:
            more = self._forget_some(job.no)
            await asyncio.sleep(0)
        with self.store.transaction():
            self.store.job_nodes.delete(job.no)
            self.store.subtasks.delete(job.no)
            self.store.jobs.delete(job.no)
            self.events.announce(JobEnded(job=job))

    def _forget_some(self, job_no: int) -> bool:
        """Remove some of a job's tasks; what they wait for first, for their numbers will be used again."""
        store = self.store
        return store.dependencies.forget_some(job_no, _DELETE_BATCH) or store.tasks.delete_some(job_no, _DELETE_BATCH)


def _new_row(job_id: str, job: Document, pool_id: str, now: str) -> JobRow:
    row = JobRow(
        no=0,
        id=job_id,
        document="",
        created=now,
        modified=now,
        state=JobState.ACTIVE,
        state_time=now,
        previous_state=None,
        previous_time=None,
        pool_id=pool_id,
        priority=0,
        max_parallel=0,
        ends_with_tasks=0,
        expires=None,
        ended=None,
        terminate_reason=None,
    )
    return _with_properties(row, job)


def _with_properties(row: JobRow, job: Document) -> JobRow:
    """Return the row of a job with these properties: a column for each that the scheduler asks for."""
    return row._replace(
        document=json.dumps(job),
        pool_id=job["poolInfo"].get("poolId", row.pool_id),
        priority=job["priority"],
        max_parallel=job["maxParallelTasks"],
        ends_with_tasks=int(job["onAllTasksComplete"] == AllTasksComplete.TERMINATE_JOB),
        expires=_expiry(job, row.created),
    )


def _expiry(job: Document, now: str) -> str | None:
    return later(now, seconds_of(job["constraints"]["maxWallClockTime"]))
