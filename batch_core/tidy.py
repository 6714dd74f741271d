"""Jobs of past days: terminated when nothing is open in them, deleted some time later.

Only jobs that the app's own table lists are touched. A job is terminated only when no open record names it any more,
so no task goes before its output was confirmed; a task that is still handed to it goes on to the next job.

Then, where the settings say so, what has ended long ago is forgotten: see `retention`.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from batch_core.app import App
from batch_core.errors import OutOfTime, ServiceError
from batch_core.retention import forget_old, wants_retention
from batch_core.selections import KEPT
from batch_core.state.job_registry import JobEntry
from batch_core.time_budget import TICK, TimeBudget

logger = logging.getLogger(__name__)

#: How long after midnight the last submissions of a day may still be in flight.
LATE: Final = timedelta(hours=1)


@dataclass(kw_only=True)
class TidyReport:
    """The jobs that were, or in a dry run would be, terminated and deleted, and the days that are forgotten."""

    terminated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    #: Days whose records, and whose outputs, were or would be removed.
    records_of: list[str] = field(default_factory=list)
    outputs_of: list[str] = field(default_factory=list)
    is_complete: bool = True


async def tidy(app: App, *, is_dry_run: bool = False, budget: timedelta = TICK) -> TidyReport:
    """Terminate and delete old jobs; idempotent, reentrant and crash-safe."""
    time_budget = TimeBudget(budget * _share_of_jobs(app))
    report = TidyReport()
    if not is_dry_run:
        await list_all_days(app)
        await _remove_old_statistics(app)
    jobs = await _registered(app, is_dry_run=is_dry_run)
    busy = await _busy_jobs(app) if jobs else set()
    try:
        for job in jobs:
            time_budget.check()
            if job.job_id not in busy:
                await _tidy_or_leave(app, job, report, is_dry_run=is_dry_run)
    except OutOfTime:
        report.is_complete = False
    if wants_retention(app):
        forgotten = await forget_old(app, TimeBudget(budget / 2), is_dry_run=is_dry_run)
        report.records_of, report.outputs_of = forgotten.records_of, forgotten.outputs_of
        report.is_complete &= forgotten.is_complete
    return report


def _share_of_jobs(app: App) -> float:
    return 1 / 2 if wants_retention(app) else 1


async def list_all_days(app: App) -> None:
    """List the days of records that a release wrote which listed none: one look, and once a call for each such day."""
    try:
        if await app.history.is_whole():
            return
        day = ""
        while day := await app.table.day_after(day):
            await app.history.add(day)
        await app.history.note_whole()
    except ServiceError as exc:
        logger.warning("Not all days of the table are listed: %s", exc)


async def _remove_old_statistics(app: App) -> None:
    try:
        await app.statistics.remove_old(app.now())
        await app.selections.remove_old(app.now() - KEPT)
    except ServiceError as exc:
        logger.warning("What is kept for people alone is not removed when it is old: %s", exc)


async def _registered(app: App, *, is_dry_run: bool) -> list[JobEntry]:
    """List the jobs of the table, also those that it has lost; a dry run writes nothing."""
    try:
        return await app.registry.jobs() if is_dry_run else await app.jobs.registered(await app.batch.active_jobs())
    except ServiceError as exc:
        logger.warning("Jobs that the table may have lost are not looked for: %s", exc)
        return await app.registry.jobs()


async def _tidy_or_leave(app: App, job: JobEntry, report: TidyReport, *, is_dry_run: bool) -> None:
    try:
        await _tidy_job(app, job, report, is_dry_run=is_dry_run)
    except ServiceError as exc:
        # The others go on.
        logger.warning("Job %s is not tidied: %s", job.job_id, exc)
        report.is_complete = False


async def _tidy_job(app: App, job: JobEntry, report: TidyReport, *, is_dry_run: bool) -> None:
    if job.terminated_at is None and job.last_day < (app.now() - LATE).date():
        if is_dry_run or await _terminate(app, job):
            report.terminated.append(job.job_id)
    elif job.terminated_at is not None and app.now() - job.terminated_at >= app.settings.job_retention_time:
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


async def _terminate(app: App, job: JobEntry) -> bool:
    """Terminate a job, unless a submission has just chosen it for its tasks of today: that changes its entry."""
    # It stops taking tasks first: a submission that looks for a job from now on takes another one.
    if not await app.registry.retire(job):
        return False
    await app.batch.terminate_job(job.job_id)
    await app.registry.note_termination(job, app.now())
    return True


async def _delete(app: App, job: JobEntry) -> None:
    await app.batch.delete_job(job.job_id)
    await app.registry.remove(job.job_id)
