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
from batch_core.errors import Missing, OutOfTime, ServiceError
from batch_core.naming import output_name
from batch_core.outcome import has_run, outcome_of
from batch_core.output import TaskFile
from batch_core.record import Outcome, TaskState
from batch_core.table import Closing

logger = logging.getLogger(__name__)

#: How far the watermark stays behind: clocks differ, and a list may lag behind a completion.
OVERLAP = timedelta(minutes=2)
#: A tick ends cleanly in this time; what is left is the next tick's.
BUDGET = timedelta(minutes=4)
#: A task's files may be out of reach while its node restarts: given up is what stays so for as long as the settings say
#: and for at least as many tries.
MIN_OUTPUT_TRIES = 20
#: Tasks whose records are closed in one transaction, and those whose outputs are copied at the same time.
_TOGETHER = 50
_AT_ONCE = 16
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
    for job in await app.ledger.jobs():
        if job.closed_at is None:
            await tick.collect_job(job)
    tick.report.seconds = round(time.monotonic() - started, 3)
    return tick.report


class _Tick:
    def __init__(self, app: App, deadline: float) -> None:
        self._app = app
        self._deadline = deadline
        self._at_once = asyncio.Semaphore(_AT_ONCE)
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
        except ServiceError as exc:
            # Also of one that is being deleted, say: the others go on.
            logger.warning("Not all of the job is collected: %s", exc, extra={"job_id": job.job_id, "code": exc.code})
            self.report.is_complete = False
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
        outcome = _as_asked(outcome_of(task), open_task)
        try:
            async with self._at_once:
                outcome = await self._copy_output(job, open_task, outcome)
        except OutOfTime as exc:
            logger.info("%s", exc, extra={"task_id": open_task.task_id})
            return _Collected(task=task, closing=None)
        except ServiceError as exc:
            lost = await self._lost(open_task, outcome, exc)
            return _Collected(task=task, closing=Closing(task_id=open_task.task_id, outcome=lost) if lost else None)
        return _Collected(task=task, closing=Closing(task_id=open_task.task_id, outcome=outcome))

    async def _copy_output(self, job: JobEntry, task: OpenTask, outcome: Outcome) -> Outcome:
        names = {file: output_name(task.blob, task.task_id, file) for file in _FILES}
        for file, name in names.items():
            source = TaskFile(job_id=job.job_id, task_id=task.task_id, name=file)
            await self._app.copier.copy(source, name, self._is_over)
        return replace(outcome, stdout=names["stdout.txt"], stderr=names["stderr.txt"])

    async def _lost(self, task: OpenTask, outcome: Outcome, error: ServiceError) -> Outcome | None:
        """Return the outcome without output if there is none and never will be; else note the trouble on the record."""
        if not has_run(outcome) and (is_gone(error) or is_out_of_reach(error)):
            return outcome
        if is_gone(error):
            return _output_lost(outcome, error)
        stored = await self._app.table.get(task.task_id)
        tries = stored.record.output_tries + 1
        ended = outcome.ended_at or datetime.min.replace(tzinfo=UTC)
        is_old = self._app.now() - ended > self._app.settings.output_patience
        if is_out_of_reach(error) and tries >= MIN_OUTPUT_TRIES and is_old:
            return _output_lost(outcome, error)
        logger.warning("Output not copied yet: %s", error, extra={"task_id": task.task_id, "code": error.code})
        reason = f"it has run; its output is not copied yet: {error}"
        await self._app.table.change([stored], marks={"explained": reason}, reason=reason, output_tries=tries)
        return None

    async def _move_watermark(self, job: JobEntry, safe: datetime, listed: Sequence[datetime]) -> None:
        # Written only where the next list becomes shorter by it: an idle app writes nothing.
        if any(moment < safe for moment in listed):
            await self._app.ledger.change_job(replace(job, watermark=safe))

    def _is_over(self) -> bool:
        if time.monotonic() < self._deadline:
            return False
        self.report.is_complete = False
        return True


def _as_asked(outcome: Outcome, task: OpenTask) -> Outcome:
    """Return the outcome as cancelled if that is why the task ended."""
    if task.is_cancelled and outcome.failure_code == "TaskEnded":
        return replace(outcome, state=TaskState.CANCELLED, reason="cancelled on request")
    return outcome


def _output_lost(outcome: Outcome, error: ServiceError) -> Outcome:
    reason = f"{outcome.reason or 'the command succeeded'}, but its output is gone: {error}"
    return replace(outcome, state=TaskState.OUTPUT_LOST, reason=reason)
