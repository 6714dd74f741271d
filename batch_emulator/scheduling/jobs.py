"""The lives of jobs: their start, their end by request, by their last task, by their time limit; removal."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.model.job_tasks import as_task
from batch_emulator.model.jobs import ALL_TASKS_COMPLETED, JOB_MANAGER_COMPLETED
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.model.tasks import read_task
from batch_emulator.scheduling.addition import add_task
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.claims import ends_job
from batch_emulator.scheduling.job_switch import JobSwitch
from batch_emulator.scheduling.releases import Releases
from batch_emulator.scheduling.runs import Ending, Runs
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import AllTasksComplete, DisableTasks, JobAction, JobState
from batch_emulator.values.timestamps import from_wire, to_wire

#: Tasks removed between two looks at other work.
_DELETE_BATCH: Final = 2000

_ENDING: Final = frozenset({JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING})


@dataclass(kw_only=True, eq=False)
class JobLife:
    """Makes jobs do what their rows say.

    ``on_end`` is called in the commit in which a job becomes completed or ceases to exist.
    """

    runs: Runs
    switching: JobSwitch
    releases: Releases
    directories: NodeDirectories
    background: Background
    on_end: Callable[[JobRow], None] = field(init=False)

    def create(self, job_id: str, job: Document, pool_id: str) -> JobRow:
        """Add an active job: ``job`` holds its stored properties, validated and without its id."""
        now = self.runs.clock.stamp()
        with self.runs.store.transaction():
            row = self.runs.store.jobs.insert(_new_row(job_id, job, pool_id, now))
            self._add_manager(row, job)
        self.switching.dispatcher.wake(row.pool_id)
        if row.expires:
            self.runs.on_expiry(row.expires)
        self.end_if_done(row.id)
        return row

    def _add_manager(self, row: JobRow, job: Document) -> None:
        """Add the job manager task as the first task of its job."""
        if "jobManagerTask" in job:
            task = read_task(as_task(job["jobManagerTask"]), TaskRules.of_job(job))
            add_task(self.runs.store, row.no, task.pop("id"), task, row.created)

    def change(self, row: JobRow, job: Document) -> None:
        """Give a job other properties, and let them take effect."""
        changed = _with_properties(row, job)._replace(modified=self.runs.clock.stamp())
        self.runs.store.jobs.update(changed)
        if changed.expires:
            self.runs.on_expiry(changed.expires)
        self.switching.dispatcher.wake(changed.pool_id)
        self.end_if_done(row.id)

    def terminate(self, job: JobRow, reason: str, *, force: bool = False) -> None:
        """Begin the end of an active job; ``terminating`` is visible when this returns.

        With ``force`` the job does not wait for its release tasks.
        """
        now = self.runs.clock.stamp()
        with self.runs.store.transaction():
            self.runs.store.jobs.set_state(job.no, JobState.TERMINATING, now)
            self.runs.store.jobs.touch(job.no, now)
            self.runs.store.jobs.set_terminate_reason(job.no, reason)
        self.background.start(self._terminate(job, force=force), f"terminate job {job.id}")

    def delete(self, job: JobRow, *, force: bool = False) -> None:
        """Begin to remove a job; ``deleting`` is visible when this returns.

        With ``force`` the release tasks of a job that had not ended are left out.
        """
        if job.state != JobState.DELETING:
            now = self.runs.clock.stamp()
            self.runs.store.jobs.set_state(job.no, JobState.DELETING, now)
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

    def react(self, job_id: str, action: JobAction, reason: str) -> None:
        """Do to a job that has not ended what the end of one of its tasks asks for."""
        job = self.runs.store.jobs.get(job_id)
        if job is None or job.state in _ENDING:
            return
        if action is JobAction.TERMINATE:
            self.terminate(job, reason)
        elif action is JobAction.DISABLE and job.state == JobState.ACTIVE:
            self.switching.disable(job, DisableTasks.REQUEUE)

    def task_ended_by_user(self, job_id: str, task: TaskRow) -> None:
        """Do what follows from the end of a task that was not on a node."""
        job = self.runs.store.jobs.get(job_id)
        if job is not None and ends_job(task, json.loads(job.document)):
            self.react(job_id, JobAction.TERMINATE, JOB_MANAGER_COMPLETED)
        self.end_if_done(job_id)

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

    async def _terminate(self, job: JobRow, *, force: bool) -> None:
        store = self.runs.store
        await self.runs.end(self.runs.of_job(job.no), Ending.TERMINATE)
        await self.switching.dispatcher.preparations.end(job.no)
        releasing = self.releases.begin(job)
        if not force:
            await asyncio.shield(releasing)
        current = store.jobs.get(job.id)
        if current and current.no == job.no and current.state == JobState.TERMINATING:
            with store.transaction():
                store.jobs.set_state(job.no, JobState.COMPLETED, self.runs.clock.stamp())
                self.on_end(job)

    async def _delete(self, job: JobRow, *, force: bool) -> None:
        await self.runs.end(self.runs.of_job(job.no), Ending.DISCARD)
        await self.switching.dispatcher.preparations.end(job.no)
        releasing = self.releases.begin(job)
        if force:
            releasing.cancel()
        await asyncio.gather(releasing, return_exceptions=True)
        await asyncio.to_thread(self.directories.remove_job, job.id)
        more = True
        while more:
            more = self._forget_some(job.no)
            await asyncio.sleep(0)
        with self.runs.store.transaction():
            self.runs.store.job_nodes.delete(job.no)
            self.runs.store.subtasks.delete(job.no)
            self.runs.store.jobs.delete(job.no)
            self.on_end(job)

    def _forget_some(self, job_no: int) -> bool:
        """Remove some of a job's tasks; what they wait for first, for their numbers will be used again."""
        store = self.runs.store
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
    seconds = seconds_of(job["constraints"]["maxWallClockTime"])
    try:
        return None if seconds is None else to_wire(from_wire(now) + timedelta(seconds=seconds))
    except OverflowError:
        return None
