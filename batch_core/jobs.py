"""Which Batch job a task goes to: many tasks a job, one job a day and pool, the next number when one takes no more.

An account starts with a quota of 100 active jobs (https://learn.microsoft.com/azure/batch/batch-quota-limit), so there
is never a job for a single file.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from batch_core.naming import job_day, job_id
from batch_core.services.batch import BatchService
from batch_core.state.job_registry import JobEntry, JobRegistry

logger = logging.getLogger(__name__)


class Jobs:
    """The jobs that tasks are added to.

    What is known is cached in memory; the table has it for every process. Either may be stale: Batch says that a job is
    gone when a task is added to it (then the next is taken), and a table that was created again lists no job, until the
    reconciling tick finds it named by open records.
    """

    def __init__(
        self, registry: JobRegistry, batch: BatchService, *, prefix: str, pool_id: str, now: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._batch = batch
        self._prefix = prefix
        self._pool_id = pool_id
        self._now = now
        self._current: JobEntry | None = None
        self._made: set[str] = set()
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """Return the id of the job that takes new tasks today; it may not be created in Batch yet."""
        async with self._lock:
            if self._current is None or self._current.day != self._now().date():
                self._current = await self._find(self._now().date())
            return self._current.job_id

    async def make(self, job_id: str) -> None:
        """Create the job in Batch unless this process knows that it exists."""
        async with self._lock:
            if job_id not in self._made:
                await self._batch.create_job(job_id, self._pool_id)
                self._made.add(job_id)

    async def replace(self, ended_job_id: str) -> str:
        """Return the job that follows one that takes no more tasks."""
        async with self._lock:
            self._made.discard(ended_job_id)
            for job in await self._registry.jobs():
                if job.job_id == ended_job_id and job.takes_tasks:
                    await self._registry.update(replace(job, takes_tasks=False))
            self._current = await self._find(self._now().date())
            return self._current.job_id

    async def register_again(self, lost: str) -> None:
        """Register a job that open records name and the table does not list: it may have been created again."""
        day, number = job_day(lost) or (self._now().date(), 0)
        logger.warning("Job %s was not registered in the table; it is registered again.", lost)
        await self._registry.add(JobEntry(job_id=lost, day=day, number=number, takes_tasks=True))

    async def _find(self, day: date) -> JobEntry:
        """Return the newest job of this day if it takes tasks, else register the next one."""
        known = [job for job in await self._registry.jobs() if job.job_id == self._job_id(day, job.number)]
        newest = max(known, key=lambda job: job.number, default=None)
        if newest is not None and newest.takes_tasks:
            return newest
        number = newest.number + 1 if newest else 1
        entry = JobEntry(job_id=self._job_id(day, number), day=day, number=number, takes_tasks=True)
        await self._registry.add(entry)
        return entry

    def _job_id(self, day: date, number: int) -> str:
        return job_id(self._prefix, self._pool_id, day, number)
