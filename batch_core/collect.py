"""Completed tasks become outputs and final records.

One filtered, selected, paged list per job and tick: its cost follows what was completed lately, not what was ever run.
A task that is listed twice costs nothing, because the index of open work tells which ones are still to be collected; so
the watermark can stay a little behind, and no completion that shows up late is missed.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import batched

from azure.batch.models import BatchTask

from batch_core.app import App
from batch_core.batch_service import is_gone, is_out_of_reach
from batch_core.entities import JobEntry, OpenTask
from batch_core.errors import Missing, ServiceError
from batch_core.naming import output_name
from batch_core.outcome import has_run, outcome_of
from batch_core.record import Outcome, TaskState
from batch_core.table import Closing

logger = logging.getLogger(__name__)

#: How far the watermark stays behind: clocks differ, and a list may lag behind a completion.
OVERLAP = timedelta(minutes=2)
#: A tick ends cleanly in this time; what is left is the next tick's.
BUDGET = timedelta(minutes=4)
#: How long after its end a task's files may be out of reach before they count as lost: a node may be restarting.
PATIENCE = timedelta(minutes=15)
#: Tasks whose outputs are copied at the same time, and whose records are closed in one transaction.
_TOGETHER = 50
_FILES = ("stdout.txt", "stderr.txt")


@dataclass(kw_only=True)
class CollectReport:
    """What a tick did: `states` counts the tasks that it closed, `postponed` those left for the next tick."""

    jobs: int = 0
    listed: int = 0
    postponed: int = 0
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    is_complete: bool = True


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """What became of one listed task: a closing, or None if it must be listed again."""

    task: BatchTask
    closing: Closing | None


async def collect(app: App, budget: timedelta = BUDGET) -> CollectReport:
    """Collect what has completed; safe to repeat, to overlap and to be stopped anywhere."""
    started = time.monotonic()
    tick = _Tick(app, deadline=started + budget.total_seconds())
    for job in await app.table.jobs():
        await tick.collect_job(job)
    tick.report.seconds = round(time.monotonic() - started, 3)
    return tick.report


class _Tick:
    def __init__(self, app: App, deadline: float) -> None:
        self._app = app
        self._deadline = deadline
        self.report = CollectReport()

    async def collect_job(self, job: JobEntry) -> None:
        self.report.jobs += 1
        safe = self._app.now() - OVERLAP
        listed: list[datetime] = []
        try:
            async for page in self._app.batch.completed_tasks(job.job_id, job.watermark):
                self.report.listed += len(page)
                listed += [task.state_transition_time for task in page if task.state_transition_time]
                safe = min([safe, *await self._collect_page(job, page)])
                if self._is_over():
                    return
        except Missing:
            logger.info("The job is not there (yet, or any more).", extra={"job_id": job.job_id})
            return
        await self._move_watermark(job, safe, listed)

    async def _collect_page(self, job: JobEntry, page: Sequence[BatchTask]) -> list[datetime]:
        """Collect the page's open tasks; returns when those completed that must be listed again."""
        open_tasks = await self._app.table.open_among(task.id for task in page if task.id)
        left: list[datetime] = []
        for few in batched((task for task in page if task.id in open_tasks), _TOGETHER, strict=False):
            results = [] if self._is_over() else await self._collect_few(job, few, open_tasks)
            closed = {result.task.id for result in results if result.closing is not None}
            left += [task.state_transition_time for task in few if task.id not in closed and task.state_transition_time]
            self.report.postponed += len(few) - len(closed)
        return left

    async def _collect_few(
        self, job: JobEntry, tasks: Iterable[BatchTask], open_tasks: dict[str, OpenTask]
    ) -> list[_Collected]:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._collect_task(job, task, open_tasks[task.id or ""])) for task in tasks]
        results = [one.result() for one in running]
        closings = [result.closing for result in results if result.closing is not None]
        for closing, is_first in zip(closings, await self._app.table.close(closings, self._app.now()), strict=True):
            self.report.states[closing.outcome.state] += is_first
        return results

    async def _collect_task(self, job: JobEntry, task: BatchTask, open_task: OpenTask) -> _Collected:
        outcome = outcome_of(task)
        try:
            outcome = await self._copy_output(job, open_task, outcome)
        except ServiceError as exc:
            logger.warning("Output not copied yet: %s", exc, extra={"task_id": open_task.task_id, "code": exc.code})
            return _Collected(task=task, closing=None)
        return _Collected(task=task, closing=Closing(task_id=open_task.task_id, outcome=outcome))

    async def _copy_output(self, job: JobEntry, task: OpenTask, outcome: Outcome) -> Outcome:
        names = {file: output_name(task.blob, task.task_id, file) for file in _FILES}
        try:
            for file, name in names.items():
                await self._app.outputs.write(name, self._app.batch.read_file(job.job_id, task.task_id, file))
        except ServiceError as exc:
            if not self._is_lost(outcome, exc):
                raise
            if not has_run(outcome):
                return outcome
            reason = f"{outcome.reason or 'the command succeeded'}, but its output is gone: {exc}"
            return replace(outcome, state=TaskState.OUTPUT_LOST, reason=reason)
        return replace(outcome, stdout=names["stdout.txt"], stderr=names["stderr.txt"])

    def _is_lost(self, outcome: Outcome, error: ServiceError) -> bool:
        """Tell whether there is no output, and never will be."""
        if is_out_of_reach(error):
            ended = outcome.ended_at or datetime.min.replace(tzinfo=UTC)
            return not has_run(outcome) or self._app.now() - ended > PATIENCE
        return is_gone(error)

    async def _move_watermark(self, job: JobEntry, safe: datetime, listed: Sequence[datetime]) -> None:
        # Written only where the next list becomes shorter by it: an idle app writes nothing.
        if any(moment < safe for moment in listed):
            await self._app.table.change_job(replace(job, watermark=safe))

    def _is_over(self) -> bool:
        if time.monotonic() < self._deadline:
            return False
        self.report.is_complete = False
        return True
