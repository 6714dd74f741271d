"""The lives of job schedules: their jobs, one after the other, and their end."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from batch_emulator.model.job_schedules import anchor_of, span
from batch_emulator.model.jobs import TERMINATE_JOB_SCHEDULE
from batch_emulator.model.pool_info import auto_pool
from batch_emulator.scheduling.auto_pools import AutoPools
from batch_emulator.scheduling.events import JobEnded
from batch_emulator.scheduling.jobs import JobLife
from batch_emulator.scheduling.recurrence import Outlook, Recurrence
from batch_emulator.store.job_schedules import JobScheduleRow
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import JobScheduleState, JobState, PoolLifetime
from batch_emulator.values.timestamps import Clock, from_wire, to_wire

#: Longest sleep, so that a change of the system's clock is noticed.
_LONGEST_SLEEP: Final = timedelta(minutes=1)

#: States in which a job is on its way out already.
_ENDING: Final = frozenset({JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING})


@dataclass(kw_only=True, eq=False)
class JobScheduleLife:
    """Makes job schedules do what their rows say.

    All decisions are made in `look`, which is called when something has changed: the schedule, its
    job, or the time.
    """

    store: Store
    clock: Clock
    jobs: JobLife
    auto_pools: AutoPools
    _sooner: asyncio.Event = field(default_factory=asyncio.Event)

    def create(self, schedule_id: str, schedule: Document) -> JobScheduleRow:
        """Add a schedule; a job that is due at once exists when this returns."""
        now = self.clock.stamp()
        with self.store.transaction():
            row = self.store.job_schedules.insert(_new_row(schedule_id, schedule, now))
            self.look(schedule_id)
        return row

    def update(self, row: JobScheduleRow, schedule: Document) -> str:
        """Change a schedule's stored properties for the jobs to come; return the time of the change."""
        now = self.clock.stamp()
        anchor = anchor_of(schedule.get("schedule", {}), row.last_run or row.created)
        with self.store.transaction():
            self.store.job_schedules.update(row.no, document=json.dumps(schedule), anchor=anchor, time=now)
            if _shared_pool(schedule["jobSpecification"]) is None:
                self._release_pool(row)
            self.look(row.id)
        return now

    def set_state(self, row: JobScheduleRow, state: JobScheduleState) -> str:
        """Enable or disable a schedule; return the time of the change."""
        now = self.clock.stamp()
        with self.store.transaction():
            self.store.job_schedules.set_state(row.no, state, now)
            self.look(row.id)
        return now

    def terminate(self, row: JobScheduleRow) -> str:
        """Begin the end of a schedule and of its job; `terminating` is visible when this returns."""
        now = self.clock.stamp()
        with self.store.transaction():
            self.store.job_schedules.set_state(row.no, JobScheduleState.TERMINATING, now)
            job = self._unfinished_job(row)
            if job is not None and job.state not in _ENDING:
                self.jobs.terminate(job, TERMINATE_JOB_SCHEDULE)
        self._look_soon(row.id)
        return now

    def delete(self, row: JobScheduleRow) -> None:
        """Begin to remove a schedule and its jobs; `deleting` is visible when this returns."""
        with self.store.transaction():
            self.store.job_schedules.set_state(row.no, JobScheduleState.DELETING, self.clock.stamp())
            for job in self.store.job_schedules.jobs(row.id):
                if job.state != JobState.DELETING:
                    self.jobs.delete(job)
        self._look_soon(row.id)

    def resume(self) -> None:
        """Take up the schedules of an earlier process, after their jobs."""
        for schedule_id in self.store.job_schedules.unfinished():
            self._look_soon(schedule_id)

    def job_ended(self, event: JobEnded) -> None:
        """Go on with the schedule of a job that has completed or is gone, if it has one."""
        schedule_id, colon, _ = event.job.id.partition(":")
        if colon:
            self.look(schedule_id)

    async def watch(self) -> None:
        """Look at schedules when time alone changes what they have to do."""
        while True:
            self._sooner.clear()
            for schedule_id in self.store.job_schedules.awake(self.clock.stamp()):
                self.look(schedule_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_next()):
                    await self._sooner.wait()

    def outlook(self, row: JobScheduleRow) -> Outlook:
        """Return what the schedule has to do now, its state and its job left out of account."""
        schedule = json.loads(row.document).get("schedule", {})
        end = schedule.get("doNotRunAfter")
        recurrence = Recurrence(
            anchor=from_wire(row.anchor),
            interval=span(schedule, "recurrenceInterval"),
            window=span(schedule, "startWindow"),
            end=from_wire(end) if end else None,
        )
        return recurrence.look(self.clock.now(), from_wire(row.last_run) if row.last_run else None)

    def look(self, schedule_id: str) -> None:
        """Do what the schedule has to do now."""
        row = self.store.job_schedules.get(schedule_id)
        if row is None:
            return
        with self.store.transaction():
            match row.state:
                case JobScheduleState.ACTIVE:
                    self._advance(row)
                case JobScheduleState.TERMINATING:
                    self._complete_if_idle(row)
                case JobScheduleState.DELETING:
                    self._remove_if_empty(row)

    def _advance(self, row: JobScheduleRow) -> None:
        outlook = self.outlook(row)
        if self._unfinished_job(row) is None:
            if outlook.is_over:
                self._complete(row)
                return
            if outlook.due is not None:
                self._start_job(row, outlook.due)
        self.store.job_schedules.set_wake(row.no, to_wire(outlook.wake) if outlook.wake else None)
        self._sooner.set()

    def _unfinished_job(self, row: JobScheduleRow) -> JobRow | None:
        """Return the one job that may not be completed yet: the newest."""
        job = self.store.jobs.get(row.recent_job) if row.recent_job else None
        return None if job is None or job.state == JobState.COMPLETED else job

    def _start_job(self, row: JobScheduleRow, due: datetime) -> None:
        specification = json.loads(row.document)["jobSpecification"]
        job_id = f"{row.id}:job-{row.jobs_made + 1}"
        self.store.job_schedules.note_job(row.no, job_id=job_id, run=to_wire(due))
        self.jobs.create(job_id, specification, self._pool(row, specification))

    def _pool(self, row: JobScheduleRow, specification: Document) -> str:
        """Return the pool for the next job, which may be the one that all jobs of the schedule share."""
        shared = _shared_pool(specification)
        if row.pool_id is not None and shared is not None and self.auto_pools.serves(row.pool_id):
            return row.pool_id
        pool_id = self.auto_pools.pool_of(specification)
        self.store.job_schedules.set_pool(row.no, pool_id if shared is not None else None)
        return pool_id

    def _complete_if_idle(self, row: JobScheduleRow) -> None:
        if self._unfinished_job(row) is None:
            self._complete(row)

    def _complete(self, row: JobScheduleRow) -> None:
        self.store.job_schedules.complete(row.no, self.clock.stamp())
        self._release_pool(row)

    def _remove_if_empty(self, row: JobScheduleRow) -> None:
        if not self.store.job_schedules.has_jobs(row.id):
            self.store.job_schedules.delete(row.no)
            self._release_pool(row)

    def _release_pool(self, row: JobScheduleRow) -> None:
        shared = _shared_pool(json.loads(row.document)["jobSpecification"])
        if row.pool_id is not None and shared is not None:
            self.auto_pools.release(row.pool_id, shared)
            self.store.job_schedules.set_pool(row.no, None)

    def _look_soon(self, schedule_id: str) -> None:
        asyncio.get_running_loop().call_soon(self.look, schedule_id)

    def _until_next(self) -> float:
        now = self.clock.now()
        latest = to_wire(now + _LONGEST_SLEEP)
        wake = min(self.store.job_schedules.next_wake() or latest, latest)
        return max((from_wire(wake) - now).total_seconds(), 0.0)


def _new_row(schedule_id: str, schedule: Document, now: str) -> JobScheduleRow:
    return JobScheduleRow(
        no=0,
        id=schedule_id,
        document=json.dumps(schedule),
        created=now,
        modified=now,
        state=JobScheduleState.ACTIVE,
        state_time=now,
        previous_state=None,
        previous_time=None,
        anchor=anchor_of(schedule.get("schedule", {}), now),
        last_run=None,
        jobs_made=0,
        recent_job=None,
        pool_id=None,
        ended=None,
        wake=None,
    )


def _shared_pool(specification: Document) -> Document | None:
    """Return the specification of an automatic pool that lives as long as the schedule."""
    found = auto_pool(specification)
    shared = found is not None and found["poolLifetimeOption"] == PoolLifetime.JOB_SCHEDULE
    return found if shared else None
