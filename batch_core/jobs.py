"""Which Batch job a task goes to: many tasks a job, one job a day, pool and priority, the next number when one is full.

An account starts with a quota of 100 active jobs (https://learn.microsoft.com/azure/batch/batch-quota-limit), so there
is never a job for a single file. Jobs of past days are active for as long as a task is open in them: where these are
many, they take the tasks of today, too.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Final

from batch_core.config.routes import JobKind
from batch_core.naming import job_day, job_id
from batch_core.services.batch import BatchService
from batch_core.services.ownership import AccountJob
from batch_core.state.job_registry import JobEntry, JobRegistry

logger = logging.getLogger(__name__)

#: With so many active jobs, no new one is made for a pool and priority that has one of an earlier day.
MANY_JOBS: Final = 50


class Jobs:
    """The jobs that tasks are added to.

    What is known is cached in memory; the table has it for every process. Either may be stale: Batch says that a job is
    gone when a task is added to it (then the next is taken), and a table that was created again lists no job, until the
    reconciling tick finds it named by open records, or another one finds it marked as the app's.
    """

    def __init__(
        self, registry: JobRegistry, batch: BatchService, *, prefix: str, default: JobKind, now: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._batch = batch
        self._prefix = prefix
        self._default = default
        self._now = now
        #: With the day on which it was chosen, which may be later than its own.
        self._current: dict[JobKind, tuple[date, JobEntry]] = {}
        self._made: set[str] = set()
        self._lock = asyncio.Lock()

    async def current(self, kind: JobKind | None = None) -> str:
        """Return the id of the job that takes new tasks of a kind today; it may not be created in Batch yet.

        Without a kind, the settings' pool is meant.
        """
        async with self._lock:
            kind, today = kind or self._default, self._now().date()
            if kind not in self._current or self._current[kind][0] != today:
                self._current[kind] = today, await self._find(kind, today)
            return self._current[kind][1].job_id

    async def make(self, job_id: str, kind: JobKind | None = None) -> None:
        """Create the job in Batch unless this process knows that it exists."""
        async with self._lock:
            if job_id not in self._made:
                kind = kind or self._default
                await self._batch.create_job(job_id, kind.pool_id, kind.priority)
                self._made.add(job_id)

    async def replace(self, ended_job_id: str, kind: JobKind | None = None) -> str:
        """Return the job that follows one that takes no more tasks; without a kind, of the kind that is registered."""
        async with self._lock:
            self._made.discard(ended_job_id)
            for job in await self._registry.jobs():
                if job.job_id == ended_job_id:
                    kind = kind or self._kind_of(job)
                    if job.takes_tasks:
                        await self._registry.note_full(job)
            kind, today = kind or self._default, self._now().date()
            self._current[kind] = today, await self._find(kind, today)
            return self._current[kind][1].job_id

    async def registered(self, active: Iterable[AccountJob]) -> list[JobEntry]:
        """List the jobs of the table; of these jobs of the account, those are registered again that it has lost.

        What is being deleted is not lost: its entry goes before the job has.
        """
        jobs = await self._registry.jobs()
        lost = {job.job_id for job in active if job.is_marked and job.is_active} - {job.job_id for job in jobs}
        for one in sorted(lost):
            await self.register_again(one)
        return await self._registry.jobs() if lost else jobs

    async def register_again(self, lost: str) -> None:
        """Register a job that open records name and the table does not list: it may have been created again."""
        day, number = job_day(lost) or (self._now().date(), 0)
        status = await self._batch.job_status(lost)
        kind = JobKind(pool_id=status.pool_id, priority=status.priority) if status else self._default
        logger.warning("Job %s was not registered in the table; it is registered again.", lost)
        await self._registry.add(self._entry(lost, kind, day, number))

    async def _find(self, kind: JobKind, day: date) -> JobEntry:
        """Return the newest job of this kind and day if it takes tasks, else an earlier one or a new one."""
        jobs = await self._registry.jobs()
        of_kind = [job for job in jobs if job.job_id == self._job_id(kind, job.day, job.number)]
        newest = max((job for job in of_kind if job.day == day), key=lambda job: job.number, default=None)
        if newest is not None and newest.takes_tasks:
            return newest
        if newest is None and sum(job.terminated_at is None for job in jobs) >= MANY_JOBS:
            earlier = max((job for job in of_kind if job.takes_tasks), key=lambda job: job.day, default=None)
            # Noted, so that it is not ended with the jobs of its own day; it may just have been.
            if earlier is not None and (earlier.used_on == day or await self._registry.note_use(earlier, day)):
                return earlier
        number = newest.number + 1 if newest else 1
        entry = self._entry(self._job_id(kind, day, number), kind, day, number)
        await self._registry.add(entry)
        return entry

    def _entry(self, job_id: str, kind: JobKind, day: date, number: int) -> JobEntry:
        return JobEntry(
            job_id=job_id, day=day, number=number, takes_tasks=True, pool_id=kind.pool_id, priority=kind.priority
        )

    def _kind_of(self, job: JobEntry) -> JobKind:
        return JobKind(pool_id=job.pool_id, priority=job.priority) if job.pool_id else self._default

    def _job_id(self, kind: JobKind, day: date, number: int) -> str:
        return job_id(self._prefix, kind.pool_id, kind.priority, day, number)
