"""Which Batch job a task goes to: many tasks a job, one job a day and pool, the next number when one is closed.

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
from batch_core.state.checkpoints import Ledger
from batch_core.state.entities import JobEntry

logger = logging.getLogger(__name__)


class Jobs:
    """The jobs that tasks are added to.

    What is known is kept in memory; the table has it for everybody. Neither need be true for long: a job that is gone
    says so when a task is added to it (then the next is taken), and a table that was made again lists no job, until the
    reconciling tick finds it named by open records.
    """

    def __init__(
        self, ledger: Ledger, batch: BatchService, *, prefix: str, pool_id: str, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._batch = batch
        self._prefix = prefix
        self._pool_id = pool_id
        self._now = now
        self._current: JobEntry | None = None
        self._made: set[str] = set()
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """Return the id of the job that takes new tasks today; it may still have to be made."""
        async with self._lock:
            if self._current is None or self._current.day != self._now().date():
                self._current = await self._find(self._now().date())
            return self._current.job_id

    async def make(self, job_id: str) -> None:
        """Make the job in Batch unless this process knows that it is there."""
        async with self._lock:
            if job_id not in self._made:
                await self._batch.create_job(job_id, self._pool_id)
                self._made.add(job_id)

    async def replace(self, closed_job_id: str) -> str:
        """Return the job that takes the place of one that takes no more tasks."""
        async with self._lock:
            self._made.discard(closed_job_id)
            for job in await self._ledger.jobs():
                if job.job_id == closed_job_id and job.is_open:
                    await self._ledger.change_job(replace(job, is_open=False))
            self._current = await self._find(self._now().date())
            return self._current.job_id

    async def note_again(self, lost: str) -> None:
        """Note a job that open records name and the table does not list: it may have been made again."""
        day, number = job_day(lost) or (self._now().date(), 0)
        logger.warning("Job %s was not noted in the table; it is noted again.", lost)
        await self._ledger.add_job(JobEntry(job_id=lost, day=day, number=number, is_open=True))

    async def _find(self, day: date) -> JobEntry:
        """Return the open job of this day with the highest number, else note the next one."""
        known = [job for job in await self._ledger.jobs() if job.job_id == self._job_id(day, job.number)]
        newest = max(known, key=lambda job: job.number, default=None)
        if newest is not None and newest.is_open:
            return newest
        number = newest.number + 1 if newest else 1
        entry = JobEntry(job_id=self._job_id(day, number), day=day, number=number, is_open=True)
        await self._ledger.add_job(entry)
        return entry

    def _job_id(self, day: date, number: int) -> str:
        return job_id(self._prefix, self._pool_id, day, number)
