"""Jobs of past days: closed when nothing is open in them, deleted some time later.

Only jobs that stand in the app's own table are touched. A job is closed only when no record names it any more as
open, so no task goes before its output was confirmed; whoever still hands a task to it is sent on to the next job.
"""

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

from batch_core.app import App
from batch_core.errors import ServiceError
from batch_core.state.entities import JobEntry

logger = logging.getLogger(__name__)

#: How long after midnight the last submissions of a day may still be under way.
LATE = timedelta(hours=1)

#: A tick ends cleanly in this time; what is left is the next tick's.
BUDGET = timedelta(minutes=4)


@dataclass(kw_only=True)
class TidyReport:
    """The jobs that were, or in a dry run would be, closed and deleted."""

    closed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    is_complete: bool = True


async def tidy(app: App, *, is_dry_run: bool = False, budget: timedelta = BUDGET) -> TidyReport:
    """Close and delete old jobs; safe to repeat, to overlap and to be stopped anywhere."""
    deadline = time.monotonic() + budget.total_seconds()
    report = TidyReport()
    jobs = await app.ledger.jobs()
    busy = await _busy_jobs(app) if jobs else set()
    for job in jobs:
        if time.monotonic() >= deadline:
            report.is_complete = False
            break
        if job.job_id in busy:
            continue
        try:
            await _tidy_job(app, job, report, is_dry_run=is_dry_run)
        except ServiceError as exc:
            # The others go on.
            logger.warning("Job %s is not tidied: %s", job.job_id, exc)
            report.is_complete = False
    return report


async def _tidy_job(app: App, job: JobEntry, report: TidyReport, *, is_dry_run: bool) -> None:
    if job.closed_at is None and job.day < (app.now() - LATE).date():
        if not is_dry_run:
            await _close(app, job)
        report.closed.append(job.job_id)
    elif job.closed_at is not None and app.now() - job.closed_at >= app.settings.job_retention_time:
        if not is_dry_run:
            await _delete(app, job)
        report.deleted.append(job.job_id)


async def _busy_jobs(app: App) -> set[str]:
    """Return the jobs in which a record is still open."""
    busy: set[str] = set()
    for day in await app.table.days():
        async for page in app.table.open_work(day):
            busy |= {task.job_id for task in page if not task.is_obstructed}
    return busy


async def _close(app: App, job: JobEntry) -> None:
    # Closed for new tasks first: whoever reads the table from now on takes another job.
    await app.ledger.change_job(replace(job, is_open=False))
    await app.batch.terminate_job(job.job_id)
    await app.ledger.change_job(replace(job, is_open=False, closed_at=app.now()))


async def _delete(app: App, job: JobEntry) -> None:
    await app.batch.delete_job(job.job_id)
    await app.ledger.remove_job(job.job_id)
