"""Open records are compared with what Batch knows: interrupted work is finished.

For each open task that is not brand-new, or that waits for its time and that has come:

    Batch runs it or will        the record says so; what waits long gets the reason
    its job ended before it ran  handed over to the next job
    Batch does not have it       queued: handed over, when its time has come; submitted: its output is lost, so it is
                                 run again, if its route says so, and closed
    Batch has completed it       collect takes it; if collect has passed it, it is sent back
    its end is not announced     its event is sent, where the settings say so
    the operator cancelled it    it is terminated again, or closed if Batch does not have it and will not get it

A job that open records name and the table does not list is registered again: the table may have been created again.

Cost: one query for the jobs, one for 1,000 open tasks, one list for 1,000 tasks that Batch has not completed, one look
at each job in which tasks wait, one at each task that was put back into its queue, and a few calls for each task in
which the two differ; where events are wanted, one more query, and one for each day.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from batch_core import metrics
from batch_core.announce import announce_left
from batch_core.app import App
from batch_core.bookkeeping import count_day
from batch_core.cancel import cancelled_without_task
from batch_core.errors import Missing, NotNow, OutOfTime, RecordNotFound, RoutesError, ServiceError
from batch_core.hand_over import hand_over, send_on
from batch_core.in_flight import IN_FLIGHT
from batch_core.retry import run_again
from batch_core.selections import carry_out_all
from batch_core.services.batch_values import LiveTask
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.index import Marks, OpenTask
from batch_core.state.record import Outcome, TaskRecord, TaskState
from batch_core.time_budget import TICK, TimeBudget
from batch_core.waiting import AT_WORK, Waits, why_waiting, with_requeues

logger = logging.getLogger(__name__)

#: The part of a tick's time that is for events: they come last, and whatever the rest takes, they have their turn.
_EVENTS_SHARE: Final = 1 / 8


@dataclass(kw_only=True)
class ReconcileReport:
    """What a tick found and did: open tasks, and how many of them were handed over, closed and so on."""

    open: int = 0
    #: Of the file that waits for longest, for a node or to be handed over: since it was recorded, or put back by Batch
    #: into its queue. What may have completed, and what a person has cancelled, does not wait.
    oldest_waiting_seconds: int = 0
    looked_at: int = 0
    done: Counter[str] = field(default_factory=Counter)
    is_complete: bool = True


async def reconcile(app: App, budget: timedelta = TICK) -> ReconcileReport:
    """Finish interrupted work; idempotent, reentrant and crash-safe."""
    tick = _Tick(app, TimeBudget(budget * (1 - _EVENTS_SHARE if app.queue else 1)))
    days = await app.table.days()
    try:
        # First, and for half of the time: however much is open, what people ask for goes on.
        await tick.carry_out_selections(TimeBudget(budget / 2))
        for day in app.turns.next("reconcile", days):
            await tick.reconcile_day(day)
            tick.budget.check()
    except OutOfTime:
        tick.report.is_complete = False
    tick.end()
    if tick.report.is_complete:
        metrics.measure("tasks.open", tick.report.open, "{task}")
        metrics.measure("tasks.oldest_waiting", tick.report.oldest_waiting_seconds, "s")
    if app.queue:
        await tick.announce_left(days, TimeBudget(budget * _EVENTS_SHARE))
    return tick.report


class _Tick:
    def __init__(self, app: App, budget: TimeBudget) -> None:
        self._app = app
        self.budget = budget
        self._live: dict[str, dict[str, LiveTask] | None] = {}
        self._reasons: dict[str, str] = {}
        self._registered_jobs: set[str] = set()
        self._waits = Waits(app)
        self.report = ReconcileReport()

    async def carry_out_selections(self, budget: TimeBudget) -> None:
        """Go on with what people have asked for of many tasks at once."""
        try:
            if done := await self._or_leave(carry_out_all(self._app, budget)):
                self.report.done["selected"] += done
        except OutOfTime:
            self.report.is_complete = False

    async def announce_left(self, days: Sequence[str], budget: TimeBudget) -> None:
        """Send the events that were left behind when the records were closed."""
        left = await self._or_leave(announce_left(self._app, days, budget))
        if left is not None:
            self.report.done["events_sent"] += left.sent
            self.report.is_complete &= left.is_complete

    def end(self) -> None:
        """Note what is known when all days have had their turn, or the time is up."""
        self.report.oldest_waiting_seconds = self._waits.oldest_seconds
        self._waits.remember(is_complete=self.report.is_complete)

    async def reconcile_day(self, day: str) -> None:
        """Reconcile the open tasks of a day; what a service's trouble prevents is left for the next tick."""
        await self._or_leave(self._reconcile_day(day))

    async def _reconcile_day(self, day: str) -> None:
        has_work = False
        async for page in self._app.table.open_work(day):
            has_work = has_work or bool(page)
            await self._or_leave(self.reconcile(page))
            self.budget.check()
        if not has_work and await self._app.table.forget_day(day, self._app.now()):
            await count_day(self._app, day)

    async def _or_leave[T](self, work: Awaitable[T]) -> T | None:
        """Do this part of the work, or leave it for the next tick: it must not hold up the others."""
        try:
            return await work
        except (ServiceError, RecordNotFound, NotNow) as exc:
            logger.warning("Not all open tasks are reconciled: %s", exc)
            self.report.is_complete = False
            return None

    async def reconcile(self, page: Sequence[OpenTask]) -> None:
        tasks = [task for task in page if self._is_due(task)]
        await self._register_jobs({task.job_id for task in page if task.job_id and not task.is_obstructed})
        self.report.looked_at += len(tasks)
        # Batch was never given these.
        unknown = [task for task in tasks if task.is_obstructed or not task.job_id]
        states: dict[str, LiveTask | None] = {task.task_id: None for task in unknown}
        known = [task for task in tasks if task.task_id not in states]
        live = {job_id: await self._live_tasks(job_id) for job_id in {task.job_id for task in known}}
        states |= {
            task.task_id: of_job.get(task.task_id) for task in known if (of_job := live[task.job_id]) is not None
        }
        self.report.open += len(page)
        await self._waits.note(page, states)
        for task in tasks:
            if task.cancel_requested and not self._is_unsettled(task, states):
                await self._or_leave(self._cancel(task, is_live=bool(states.get(task.task_id))))
                self.budget.check()
        kept = [task for task in tasks if not task.cancel_requested and task.task_id in states]
        found = {task.task_id: one for task in kept if (one := states[task.task_id]) is not None}
        await self._or_leave(self._explain([task for task in kept if task.task_id in found], found))
        await self._finish([task for task in kept if task.task_id not in found])

    def _is_unsettled(self, task: OpenTask, states: Mapping[str, LiveTask | None]) -> bool:
        """Return whether a cancelled task that waits, and that Batch does not have, might still be handed to Batch.

        There is nothing to do before that is settled, or Batch has it: so nobody is asked for each of them.
        """
        asked_at = task.cancel_requested_at
        is_waiting = task.is_queued and bool(task.job_id) and task.task_id in states and not states[task.task_id]
        return is_waiting and asked_at is not None and asked_at > self._app.now() - IN_FLIGHT

    def _is_due(self, task: OpenTask) -> bool:
        """Return whether it is not brand-new, which its submission still has in hand, or that has let go of it."""
        now = self._app.now()
        has_waited = task.is_queued and task.next_attempt_at is not None and task.next_attempt_at <= now
        return has_waited or task.since <= now - self._app.settings.intake.sweep_grace

    async def _register_jobs(self, job_ids: set[str]) -> None:
        """Register jobs again that the table has lost: collect looks at no others."""
        if job_ids - self._registered_jobs:
            self._registered_jobs |= {job.job_id for job in await self._app.registry.jobs()}
            for lost in sorted(job_ids - self._registered_jobs):
                await self._or_leave(self._app.jobs.register_again(lost))
            self._registered_jobs |= job_ids

    async def _live_tasks(self, job_id: str) -> dict[str, LiveTask] | None:
        """Return the job's tasks that are not completed; None if they cannot be listed now."""
        if job_id not in self._live:
            try:
                self._live[job_id] = await self._app.batch.live_tasks(job_id)
            except Missing:
                self._live[job_id] = {}
            except ServiceError as exc:
                logger.warning("Could not list the tasks of job %s: %s", job_id, exc)
                self._live[job_id] = None
                self.report.is_complete = False
        return self._live[job_id]

    async def _cancel(self, task: OpenTask, *, is_live: bool) -> None:
        if task.job_id and await self._app.batch.terminate_task(task.job_id, task.task_id):
            if not is_live:
                # It had completed: collect may have passed it.
                await self._look_for(task)
            return
        record = (await self._app.table.get(task.task_id)).record
        if (outcome := cancelled_without_task(self._app, record)) is not None:
            await self._close(task, outcome)

    async def _explain(self, tasks: Sequence[OpenTask], live: Mapping[str, LiveTask]) -> None:
        """Write that Batch has the tasks, how often it took them back, and why those wait that have waited for long."""
        await self._or_leave(self._verify([task for task in tasks if not task.is_verified]))
        await self._or_leave(self._note_requeues(tasks, live))
        ended = await self._send_on([task for task in tasks if live[task.task_id].state not in AT_WORK])
        reasons: defaultdict[str, list[OpenTask]] = defaultdict(list)
        for task in tasks:
            is_waiting = live[task.task_id].state not in AT_WORK
            is_old = task.since <= self._app.now() - self._app.settings.intake.explain_after
            if is_old and not (is_waiting and task.job_id in ended):
                reasons[await self._reason(task, live[task.task_id])].append(task)
                self.report.done["waiting"] += is_waiting
        for reason, explained in reasons.items():
            await self._app.table.explain(explained, reason)

    async def _note_requeues(self, tasks: Sequence[OpenTask], live: Mapping[str, LiveTask]) -> None:
        """Write to their records that Batch has put tasks back into its queue: later it may not say so."""
        counts = {task.task_id: live[task.task_id].requeues for task in tasks}
        seen = [task.task_id for task in tasks if counts[task.task_id] > task.requeues]
        records = await self._app.table.records_among(seen)
        behind = [one for one in records.values() if not one.record.state.is_final]
        await self._app.table.update(
            [Change(one, replace(one.record, requeues=counts[one.record.task_id])) for one in behind]
        )

    async def _reason(self, task: OpenTask, live: LiveTask) -> str:
        reason = AT_WORK.get(live.state) or await self._why_waiting(task.job_id)
        return with_requeues(reason, max(live.requeues, task.requeues))

    async def _send_on(self, waiting: Sequence[OpenTask]) -> set[str]:
        """Send those on to the next job whose own has ended; returns the jobs that have."""
        by_job: defaultdict[str, list[str]] = defaultdict(list)
        for task in waiting:
            by_job[task.job_id].append(task.task_id)
        return {job_id for job_id, of_job in by_job.items() if await self._or_leave(self._has_sent_on(job_id, of_job))}

    async def _has_sent_on(self, job_id: str, waiting: Sequence[str]) -> bool:
        status = await self._app.batch.job_status(job_id)
        if status is None or not status.has_ended:
            return False
        # Listed again: before its end the job may have started one of them.
        live = await self._app.batch.live_tasks(job_id)
        active = [task_id for task_id in waiting if task_id in live and live[task_id].state not in AT_WORK]
        records = await self._app.table.records_among(active)
        left = [one for one in records.values() if not one.record.state.is_final and one.record.job_id == job_id]
        done = await send_on(self._app, job_id, left)
        self.report.done.update(f"sent_on_{record.state}" for record in done.values())
        return True

    async def _why_waiting(self, job_id: str) -> str:
        if job_id not in self._reasons:
            self._reasons[job_id] = await why_waiting(self._app, job_id)
        return self._reasons[job_id]

    async def _verify(self, tasks: Sequence[OpenTask]) -> None:
        """Make sure that the records say that Batch has the tasks: the app may have stopped before it wrote that."""
        records = await self._app.table.records_among(task.task_id for task in tasks)
        behind = [one for one in records.values() if one.record.state is TaskState.QUEUED]
        now = self._app.now()
        changed = await self._app.table.update([Change(one, _caught_up(one.record, now)) for one in behind])
        # A record that was modified concurrently is verified by the next tick.
        doubtful = {one.record.task_id for one, new in zip(behind, changed, strict=True) if new is None}
        await self._app.table.mark([task for task in tasks if task.task_id not in doubtful], Marks(is_verified=True))
        self.report.done["caught_up"] += len(behind) - len(doubtful)

    async def _finish(self, tasks: Sequence[OpenTask]) -> None:
        """Find out why Batch does not list the tasks as live, and do what that asks for."""
        if not tasks:
            return
        now = self._app.now()
        queued: list[Stored] = []
        # Those that wait to be handed over first: to look for the others takes a call for each.
        paused = await self._app.pauses.current()
        has_routes = self._has_routes()
        for task in sorted(tasks, key=lambda task: task.is_verified):
            is_held = task.is_queued and not task.is_obstructed
            if is_held and paused.of(task.route) is not None:
                self.report.done["paused"] += 1
            elif is_held and not has_routes:
                self.report.done["without_routes"] += 1
            elif task.next_attempt_at is not None and task.next_attempt_at > now:
                self.report.done["not_due"] += 1
            elif (found := await self._or_leave(self._queued_or_looked_for(task))) is not None:
                queued.append(found)
            if self.budget.is_spent:
                # What was found is still handed over; the page's check ends the tick.
                break
        done = await self._or_leave(hand_over(self._app, queued)) or {}
        self.report.done.update(f"handed_over_{record.state}" for record in done.values())

    def _has_routes(self) -> bool:
        try:
            self._app.routes()
        except RoutesError:
            return False
        return True

    async def _queued_or_looked_for(self, task: OpenTask) -> Stored | None:
        """Return the record if it is to be handed over; look for the task in Batch if that has accepted it."""
        stored = await self._app.table.get(task.task_id)
        if stored.record.state is TaskState.SUBMITTED:
            await self._look_for(task)
        if stored.record.state is not TaskState.QUEUED:
            return None
        self._waits.note_queued(task)
        return stored

    async def _look_for(self, task: OpenTask) -> None:
        completed_at = await self._app.batch.completion_of(task.job_id, task.task_id)
        if completed_at is None:
            reason = "Batch no longer knows the task: it or its job was deleted before its output was collected"
            lost = Outcome(state=TaskState.OUTPUT_LOST, reason=reason)
            await self._close(task, await run_again(self._app, task.task_id, lost))
            return
        for job in await self._app.registry.jobs():
            if job.job_id != task.job_id:
                continue
            if job.terminated_at is not None or (job.watermark is not None and job.watermark > completed_at):
                await self._app.registry.send_back(job, completed_at)
                self.report.done["sent_back"] += 1
            self._app.lookbacks.look_for(job, completed_at)

    async def _close(self, task: OpenTask, outcome: Outcome) -> None:
        (is_first,) = await self._app.table.close([Closing.of_open(task, outcome)], self._app.now())
        self.report.done[outcome.state] += is_first


def _caught_up(record: TaskRecord, now: datetime) -> TaskRecord:
    return replace(record, state=TaskState.SUBMITTED, submitted_at=now, reason=None)
