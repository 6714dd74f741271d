"""Completed tasks become outputs and final records.

One filtered, selected, paged list per job and tick: its cost follows what was completed lately, not what was ever run.
A task that is listed twice costs nothing, because the index of open work says which ones are still to be collected; so
the watermark can stay a little behind, and no completion that shows up late is missed.

Large output comes last, within a share of a tick's time: so it delays no small one by more than that.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from batch_core.announce import announce
from batch_core.app import App
from batch_core.errors import AppError, NotNow, OutOfTime, RecordNotFound, Refused, ServiceError
from batch_core.log_text import figures
from batch_core.lookback import OVERLAP
from batch_core.naming import FILES_FOLDER, STDERR, STDOUT, output_name
from batch_core.outcome import as_the_command_ended, ended_by_itself, has_run, is_upload_failure, outcome_of
from batch_core.retry import run_again
from batch_core.sdk.service_codes import DELETED_JOB
from batch_core.services.batch_errors import is_gone, is_out_of_reach
from batch_core.services.batch_reading import CompletedPage
from batch_core.services.batch_values import CompletedTask
from batch_core.services.output_copier import Printed
from batch_core.services.task_files import TaskFile
from batch_core.state.changes import Change, Closing
from batch_core.state.index import Marks, OpenTask
from batch_core.state.job_registry import JobEntry
from batch_core.state.record import Outcome, TaskState
from batch_core.stderr_end import WINDOW, readable_end
from batch_core.time_budget import TICK, TimeBudget

logger = logging.getLogger(__name__)

#: A task's files may be out of reach while its node restarts: given up is what stays so for as long as the settings say
#: and for at least as many tries.
MIN_OUTPUT_TRIES: Final = 20
#: Tasks whose records are closed in one transaction, and those whose outputs are copied at the same time.
_TOGETHER: Final = 50
_AT_ONCE: Final = 48
#: How long a record waits for others to be closed with, in seconds.
_CLOSED_EVERY_SECONDS: Final = 1.0
#: Of those with large output, so that a few blocks at most are in memory; and the part of a tick's time that is theirs.
_LARGE_AT_ONCE: Final = 2
_LARGE_SHARE: Final = 1 / 4
_LATELY: Final = timedelta(minutes=1)
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


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
class _Completed:
    """A completed task whose record is open: its output is to be copied."""

    job: JobEntry
    task: CompletedTask
    open: OpenTask
    #: How it ended; its output is not considered yet.
    outcome: Outcome

    @property
    def is_uploaded(self) -> bool:
        """Whether its node has uploaded what it printed: Batch's own result is the confirmation."""
        return self.open.is_uploaded and ended_by_itself(self.outcome)

    @property
    def printed(self) -> Printed:
        job_id, task_id, blob = self.job.job_id, self.open.task_id, self.open.blob
        return Printed(
            stdout=TaskFile(job_id=job_id, task_id=task_id, name=STDOUT),
            stdout_blob=output_name(blob, task_id, STDOUT),
            stderr=TaskFile(job_id=job_id, task_id=task_id, name=STDERR),
            stderr_blob=output_name(blob, task_id, STDERR),
            has_empty_blob=self.open.is_uploaded,
        )


@dataclass(frozen=True, kw_only=True)
class _Arrived:
    """What is in the output container: sizes in bytes, None where they are not known; and how standard error ends."""

    stdout_size: int | None = None
    stderr_size: int | None = None
    stderr_end: bytes = b""


#: Sees that a task's output is in the output container; None if it is left for later.
type _Copy = Callable[[_Completed], Awaitable[_Arrived | None]]


async def collect(app: App, budget: timedelta = TICK) -> CollectReport:
    """Collect completed tasks; idempotent, reentrant and crash-safe."""
    started = time.monotonic()
    tick = _Tick(app, TimeBudget(budget * (1 - _LARGE_SHARE)))
    jobs = [job for job in await app.registry.jobs() if job.terminated_at is None]
    app.lookbacks.keep_only(jobs)
    try:
        for job in app.turns.next("collect", jobs):
            await tick.collect_job(job)
        await tick.collect_failing()
    except OutOfTime:
        tick.report.is_complete = False
    await tick.collect_large(TimeBudget(budget * _LARGE_SHARE))
    await tick.after_closing()
    tick.report.seconds = round(time.monotonic() - started, 3)
    return tick.report


class _Tick:
    def __init__(self, app: App, budget: TimeBudget) -> None:
        self._app = app
        self._budget = budget
        self._large: list[_Completed] = []
        self._failing: list[_Completed] = []
        self.report = CollectReport()

    async def collect_job(self, job: JobEntry) -> None:
        self.report.jobs += 1
        now = self._app.now()
        since = self._app.lookbacks.since(job, now)
        listed: list[datetime] = []
        left: list[datetime] = []
        try:
            async for page in self._app.batch.completed_tasks(job.job_id, since):
                self.report.listed += len(page.completed_at) + page.unreadable
                listed += page.completed_at.values()
                left += await self._collect_page(job, page)
                self._budget.check()
        except ServiceError as exc:
            if exc.code in DELETED_JOB:
                logger.info("Job %s does not exist (yet, or any more).", job.job_id)
                return
            # Also of one that is being deleted, say: the others go on.
            self._app.lookbacks.forget(job)
            self._leave("Not all of the job is collected", exc, job_id=job.job_id)
            return
        except OutOfTime:
            self._app.lookbacks.forget(job)
            raise
        await self._note_collected(job, now, since, listed, left)

    async def _note_collected(
        self,
        job: JobEntry,
        now: datetime,
        since: datetime | None,
        listed: Sequence[datetime],
        left: Sequence[datetime],
    ) -> None:
        """Note how far the job is collected, in the table only where all since its watermark was listed."""
        if not listed:
            return
        # By Batch's clock: this machine's may be ahead, and what completes from now on must not seem to be listed.
        # Of what is left, only what has completed lately is listed with every tick: what fails for long is looked for
        # when all since the watermark is.
        until = min([max(listed), *(moment for moment in left if max(listed) - moment <= _LATELY)])
        if since != job.watermark:
            self._app.lookbacks.note_some(job, until)
            return
        safe = min([now - OVERLAP, max(listed) - OVERLAP, *left])
        try:
            watermark = await self._move_watermark(job, safe, listed)
        except ServiceError as exc:
            self._leave("How far the job is collected is not noted", exc, job_id=job.job_id)
            return
        self._app.lookbacks.note_all(job, watermark, now, until)

    async def collect_failing(self) -> None:
        """Collect those whose output could not be copied before: after all others, as each may be slow."""
        tasks = self._app.turns.next("failing", self._failing)
        await self._collect_or_leave(tasks, self._copy_small)
        self._budget.check()

    async def collect_large(self, budget: TimeBudget) -> None:
        """Copy the large output that was found, each closed as soon as it is whole."""
        self._budget = budget
        await self._collect_or_leave(self._large, self._copy_large, at_once=_LARGE_AT_ONCE, together=1)

    async def _collect_or_leave(
        self, tasks: Sequence[_Completed], copy: _Copy, at_once: int = _AT_ONCE, together: int | None = None
    ) -> None:
        """Collect these tasks, or leave them for the next tick."""
        try:
            await self._collect_all(tasks, copy, at_once, together)
        except ServiceError as exc:
            self._leave("Not all of the tasks are collected", exc, first=tasks[0].open.task_id)

    async def _collect_page(self, job: JobEntry, page: CompletedPage) -> list[datetime]:
        """Collect the page's open tasks; returns when those completed that must be listed again."""
        open_tasks = await self._app.table.open_among(page.completed_at)
        found = [_completed(job, task, open_tasks[task.task_id]) for task in page.read(open_tasks)]
        # A record that went on to another job has left its task behind in this one.
        found = [one for one in found if one.open.job_id == job.job_id]
        self.report.postponed += len(found)
        self._failing += [one for one in found if one.open.failing_since is not None]
        closed = await self._collect_all([one for one in found if one.open.failing_since is None], self._copy_small)
        left = [one.task.completed_at for one in found if one.open.task_id not in closed]
        # When an unreadable one completed is not known: all of the job is listed again.
        return [*left, job.watermark or _BEGINNING] if page.unreadable else left

    async def _collect_all(
        self, tasks: Sequence[_Completed], copy: _Copy, at_once: int = _AT_ONCE, together: int | None = None
    ) -> set[str]:
        """Copy the output of tasks beside each other, and close records as it arrives; returns which are closed.

        Nothing is begun any more once the time is spent or the table fails, whose `ServiceError` is raised.
        """
        closer = _Closer(self, together or _TOGETHER)
        todo = iter(tasks)

        async def work() -> None:
            while not (self._budget.is_spent or closer.failure) and (one := next(todo, None)) is not None:
                closing = await self._collect_task(one, copy)
                if closing is not None:
                    await closer.add(closing)

        ended = asyncio.Event()
        closing_late = asyncio.create_task(closer.close_now_and_then(ended))
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(work()) for _ in range(min(at_once, len(tasks)))]
        finally:
            # What has arrived is closed, whatever became of the others.
            ended.set()
            await closing_late
        for worker in workers:
            # One that was cancelled alone is no error to the group.
            worker.result()
        if closer.failure is not None:
            raise closer.failure
        return closer.closed

    async def close(self, closings: Sequence[Closing]) -> set[str]:
        """Close these records in a transaction; returns the ids of those that have their final state now."""
        try:
            first = await self._app.table.close(closings, self._app.now())
        finally:
            # Also of those that were closed where the table refuses one.
            await self.after_closing()
        self.report.states.update(one.outcome.state for one, is_first in zip(closings, first, strict=True) if is_first)
        self.report.postponed -= len(closings)
        return {closing.task_id for closing in closings}

    async def after_closing(self) -> None:
        """Delete files and announce ends of what this process has closed, wherever it has found out that it has."""
        for closing in self._app.table.take_deletable():
            await self._delete_input(closing)
        await announce(self._app)

    async def leave_closings(self, error: Refused, closings: Sequence[Closing]) -> None:
        """Leave records that the table refuses to close, and write that to them: they are listed again."""
        self._leave("Not all of the tasks are collected", error, first=closings[0].task_id)
        reason = f"it has ended; its final state is not written yet: {error}"
        try:
            left = await self._app.table.open_among(one.task_id for one in closings)
            await self._app.table.explain([*left.values()], reason)
        except ServiceError as exc:
            self._leave("The trouble is not on the record", exc, first=closings[0].task_id)

    async def _delete_input(self, task: Closing) -> None:
        """Delete the file if its route says so: only now is it certain that it has succeeded.

        One that cannot be deleted stays: it is recorded, so that nothing runs it again. So does one that has left none
        of the files that its route has uploaded, since Batch calls that a success, too.
        """
        if task.etag_to_delete is None or task.blob is None:
            return
        try:
            folder = output_name(task.blob, task.task_id, FILES_FOLDER)
            if task.has_files and not await self._app.outputs.has_any(f"{folder}/"):
                logger.warning("The file of task %s is not deleted: its command made no file to upload", task.task_id)
                return
            await self._app.inputs.delete(task.blob, task.etag_to_delete)
        except ServiceError as exc:
            logger.warning("The file of task %s has succeeded and is not deleted: %s", task.task_id, exc)

    async def _collect_task(self, one: _Completed, copy: _Copy) -> Closing | None:
        """Return what the record is closed with; None if the task must be listed again."""
        outcome = one.outcome
        if one.open.is_lost:
            # Its next attempt has been named, and may run: whatever can be read of it now comes too late.
            lost = replace(outcome, state=TaskState.OUTPUT_LOST, reason="its output is lost")
            return await self._closing_or_left(one.open, run_again(self._app, one.open.task_id, lost))
        try:
            arrived = await copy(one)
        except ServiceError as exc:
            return await self._closing_or_left(one.open, self._lost(one.open, outcome, exc))
        if arrived is None:
            return None
        if one.open.is_uploaded and not one.open.has_files and is_upload_failure(outcome):
            # Only what it printed could not be uploaded, and that is copied now.
            outcome = as_the_command_ended(outcome)
        return Closing.of_open(one.open, _with_output(outcome, one.printed, arrived))

    async def _copy_small(self, one: _Completed) -> _Arrived | None:
        if one.is_uploaded:
            return _Arrived(stderr_end=await self._stderr_end(one))
        copied = await self._app.copier.copy_small(one.printed)
        if copied is None:
            self._large.append(one)
            return None
        return _Arrived(stdout_size=copied.stdout_size, stderr_size=copied.stderr_size, stderr_end=copied.stderr)

    async def _copy_large(self, one: _Completed) -> _Arrived | None:
        try:
            copied = await self._app.copier.copy(one.printed, self._budget)
        except OutOfTime as exc:
            logger.info("Task %s goes on in the next tick: %s", one.open.task_id, exc)
            self.report.is_complete = False
            return None
        end = await self._stderr_end(one)
        return _Arrived(stdout_size=copied.stdout_size, stderr_size=copied.stderr_size, stderr_end=end)

    async def _stderr_end(self, one: _Completed) -> bytes:
        try:
            if one.outcome.state is TaskState.FAILED:
                return await self._app.copier.end_of(one.printed.stderr, WINDOW)
        except ServiceError as exc:
            logger.info("The record of task %s goes without the end of stderr: %s", one.open.task_id, exc)
        return b""

    async def _closing_or_left(self, task: OpenTask, work: Awaitable[Outcome | None]) -> Closing | None:
        try:
            outcome = await work
        except (ServiceError, RecordNotFound, NotNow) as exc:
            self._leave("The trouble is not on the record", exc, task_id=task.task_id)
            return None
        return Closing.of_open(task, outcome) if outcome else None

    async def _lost(self, task: OpenTask, outcome: Outcome, error: ServiceError) -> Outcome | None:
        """Return the outcome without output if there is none and never will be; else record the trouble.

        What has run without leaving output may be run again, if its route says so.
        """
        if not has_run(outcome) and (is_gone(error) or is_out_of_reach(error)):
            return outcome
        if outcome.state is TaskState.CANCELLED and is_gone(error):
            return replace(outcome, reason=f"{outcome.reason}; what it printed is not there: {error}")
        if is_gone(error):
            return await run_again(self._app, task.task_id, _output_lost(outcome, error))
        stored = await self._app.table.get(task.task_id)
        tries = stored.record.output_tries + 1
        # Measured by the app's own clocks alone, since the first try that failed.
        failing_since = task.failing_since or self._app.now()
        is_old = self._app.now() - failing_since > self._app.settings.output_patience
        if (is_out_of_reach(error) or isinstance(error, Refused)) and tries >= MIN_OUTPUT_TRIES and is_old:
            return await run_again(self._app, task.task_id, _output_lost(outcome, error))
        logger.warning("The output of task %s is not copied yet: %s", task.task_id, error)
        reason = f"it has run; its output is not copied yet: {error}"
        noted = replace(stored.record, reason=reason, output_tries=tries)
        marks = Marks(explained=reason, failing_since=failing_since)
        await self._app.table.update([Change(stored, noted, marks)])
        return None

    async def _move_watermark(self, job: JobEntry, safe: datetime, listed: Sequence[datetime]) -> datetime | None:
        """Move the job's watermark, if that shortens the next list: an idle app writes nothing; returns where it is."""
        if not any(moment < safe for moment in listed):
            return job.watermark
        return safe if await self._app.registry.note_progress(job, safe) else job.watermark

    def _leave(self, what: str, error: AppError, **ids: str) -> None:
        """Leave it for the next tick."""
        logger.warning("%s (%s): %s", what, figures(ids), error)
        self.report.is_complete = False


class _Closer:
    """Closes records as their output arrives, many in a transaction, and none more than a second after the last one.

    `closed` are those that have their final state. A `failure` of the table is kept until all copies have ended.
    """

    def __init__(self, tick: _Tick, together: int) -> None:
        self._tick = tick
        self._together = together
        self._ready: list[Closing] = []
        self.closed: set[str] = set()
        self.failure: ServiceError | None = None

    async def add(self, closing: Closing) -> None:
        """Take a record that can be closed; closes those that are ready if they fill a transaction."""
        self._ready.append(closing)
        if len(self._ready) >= self._together:
            await self._close_ready()

    async def close_now_and_then(self, ended: asyncio.Event) -> None:
        """Close what is ready every second, so that none waits for a slow copy; and at the end what is left."""
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _CLOSED_EVERY_SECONDS)
            await self._close_ready()
        # The last ones may have arrived, and all copies ended, while others were being closed.
        await self._close_ready()

    async def _close_ready(self) -> None:
        if not self._ready or self.failure is not None:
            return
        closings, self._ready = self._ready, []
        try:
            self.closed |= await self._tick.close(closings)
        except Refused as exc:
            await self._tick.leave_closings(exc, closings)
        except ServiceError as exc:
            self.failure = exc


def _completed(job: JobEntry, task: CompletedTask, open_task: OpenTask) -> _Completed:
    return _Completed(job=job, task=task, open=open_task, outcome=_as_requested(outcome_of(task), open_task))


def _with_output(outcome: Outcome, printed: Printed, arrived: _Arrived) -> Outcome:
    """Return the outcome with what is in the output container: no blob for a standard error that is empty."""
    is_empty = arrived.stderr_size == 0 and not printed.has_empty_blob
    return replace(
        outcome,
        stdout=printed.stdout_blob,
        stdout_size=arrived.stdout_size,
        stderr=None if is_empty else printed.stderr_blob,
        stderr_size=arrived.stderr_size,
        stderr_end=readable_end(arrived.stderr_end) if outcome.state is TaskState.FAILED else None,
    )


def _as_requested(outcome: Outcome, task: OpenTask) -> Outcome:
    """Return the outcome as cancelled if that is why the task ended."""
    if task.cancel_requested and outcome.failure_code == "TaskEnded":
        return replace(outcome, state=TaskState.CANCELLED, reason="cancelled on request")
    return outcome


def _output_lost(outcome: Outcome, error: ServiceError) -> Outcome:
    reason = f"{outcome.reason or 'the command succeeded'}, but its output is lost: {error}"
    return replace(outcome, state=TaskState.OUTPUT_LOST, reason=reason)
