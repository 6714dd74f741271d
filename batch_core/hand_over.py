"""Queued records are handed to Batch, up to 100 in a call.

    queued ──add tasks──▶ submitted
      │  ▲                (or rejected, or still queued with the reason)
      └──┘ its job takes no more tasks: the next job; its route has changed: today's

A record names its route and its job before Batch is called, and gets others only when the old job verifiably does not
have the task: so a task is never added twice, wherever the process stops.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Final

from batch_core.app import App
from batch_core.assignment import assigned, why_ignored
from batch_core.backoff import backoff
from batch_core.config.routes import JobKind, Route
from batch_core.errors import AppError, Conflict, InputRefused, Refused, RoutesError, ServiceError, Unexpected
from batch_core.in_flight import KNOWN_FOR
from batch_core.obstructed import readable_among
from batch_core.services.batch import MAX_TASKS_PER_CALL
from batch_core.services.batch_errors import is_never_accepted, takes_no_tasks
from batch_core.services.batch_values import NewTask
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.record import Outcome, TaskRecord, TaskState
from batch_core.task import batch_task

logger = logging.getLogger(__name__)

#: More jobs than this are not closed under a submission's feet without something being wrong.
_MAX_MOVES: Final = 5
#: Calls to add tasks of one chunk that may end in an answer that decides nothing: enough to find three tasks of a
#: hundred that cause it, and few where every call ends so.
_MAX_DOUBTFUL_CALLS: Final = 20

#: What became of records, by task id.
type Done = dict[str, TaskRecord]


async def hand_over(app: App, records: Sequence[Stored], moves: int = 0) -> Done:
    """Hand those of the records that are queued to Batch; returns what each became.

    One call for each job and 100 records. Raises `ServiceError` when the table itself fails.
    """
    readable, done = await readable_among(app, [one for one in records if _is_wanted(one.record)])
    try:
        assignment = await assigned(app, readable)
    except RoutesError as exc:
        logger.warning("%d tasks wait for the routes, %s", len(readable), exc)
        return done | await _hold(app, [(one, str(exc)) for one in readable])
    except ServiceError as exc:
        return done | await _still_queued(app, readable, exc)
    paused = await app.pauses.current()
    held: list[tuple[Stored, str]] = []
    by_job: defaultdict[str, list[Stored]] = defaultdict(list)
    for one in assignment.ready:
        if (pause := paused.of(one.record.route)) is not None:
            held.append((one, pause.sentence))
        else:
            by_job[one.record.job_id].append(one)
    chunks = [
        _Chunk(app=app, job_id=job_id, routes=assignment.routes, moves=moves, records=chunk)
        for job_id, of_job in by_job.items()
        for chunk in batched(of_job, MAX_TASKS_PER_CALL, strict=False)
    ]
    return done | await _each(
        [
            partial(_reread, app, assignment.waiting),
            partial(_accept, app, assignment.added),
            partial(_hold, app, held),
            partial(_reject, app, [(one, _no_route(app, one.record)) for one in assignment.unroutable]),
            *(partial(_hand_over_chunk, chunk) for chunk in chunks),
        ]
    )


async def send_on(app: App, ended_job_id: str, records: Sequence[Stored]) -> Done:
    """Move records to the next job whose tasks wait in one that has ended: they never run there.

    They have not run before, unless on a node that is gone, after which Batch itself would have run them again.

    Raises `ServiceError` as `hand_over` does.
    """
    next_job_id = await app.jobs.replace(ended_job_id)
    reason = f"job {ended_job_id} was ended before the task could run; being handed to the next one"
    moved = await app.table.update(
        [
            Change(
                one,
                replace(one.record, job_id=next_job_id, state=TaskState.QUEUED, reason=reason, submitted_at=None),
            )
            for one in records
        ]
    )
    return await hand_over(app, [one for one in moved if one is not None])


async def _each(parts: Sequence[Callable[[], Awaitable[Done]]]) -> Done:
    """Do each part, also when the table refuses a record of an earlier one; that error comes at the end."""
    done: Done = {}
    refusals: list[Refused] = []
    for part in parts:
        try:
            done |= await part()
        except Refused as exc:
            refusals.append(exc)
    if refusals:
        raise refusals[0]
    return done


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Up to 100 records of one job, and so of one kind; `moves` of them to another job have come before."""

    app: App
    job_id: str
    #: By task id; of other records, too.
    routes: Mapping[str, Route]
    moves: int
    records: Sequence[Stored]

    @property
    def kind(self) -> JobKind:
        return self.routes[self.records[0].record.task_id].job_kind


async def _hand_over_chunk(chunk: _Chunk) -> Done:
    app = chunk.app
    refused: list[tuple[Stored, InputRefused]] = []
    tasks: dict[str, NewTask] = {}
    try:
        await app.jobs.make(chunk.job_id, chunk.kind)
        for one in chunk.records:
            try:
                tasks[one.record.task_id] = await _task(chunk, one.record)
            except InputRefused as exc:
                refused.append((one, exc))
    except ServiceError as exc:
        return await _still_queued(app, chunk.records, exc)
    whole = [one for one in chunk.records if one.record.task_id in tasks]
    return await _each([partial(_Adder(chunk, tasks).add, whole), partial(_reject_unless_added, app, refused)])


async def _task(chunk: _Chunk, record: TaskRecord) -> NewTask:
    app = chunk.app
    return await batch_task(record, chunk.routes[record.task_id], app.settings.task, app.inputs, app.outputs)


async def _reject_unless_added(app: App, refused: Sequence[tuple[Stored, InputRefused]]) -> Done:
    """Reject records whose input no task can get, unless an earlier call has added their task, when it still could."""
    try:
        added = [one for one, _ in refused if await app.batch.has_task(one.record.job_id, one.record.task_id)]
    except ServiceError as exc:
        return await _still_queued(app, [one for one, _ in refused], exc)
    return await _accept(app, added) | await _reject(app, [(one, exc) for one, exc in refused if one not in added])


async def _as_known_now(chunk: _Chunk, records: Sequence[Stored]) -> tuple[Sequence[Stored], Done]:
    """Return those that are still to be handed over to this job, all read lately, and what became of the others.

    Many records, a new job, a new key and slow services may have come before them: `IN_FLIGHT` relies on this.
    """
    if all(_is_fresh(one) for one in records):
        return records, {}
    again = (await chunk.app.table.records_among(one.record.task_id for one in records)).values()
    pins = {one.record.task_id: (one.record.job_id, one.record.route_digest) for one in records}
    due = [
        one
        for one in again
        if _is_fresh(one)
        and _is_wanted(one.record)
        and (one.record.job_id, one.record.route_digest) == pins[one.record.task_id]
    ]
    return due, {one.record.task_id: one.record for one in again if one not in due}


def _is_fresh(one: Stored) -> bool:
    return time.monotonic() - one.read_at <= KNOWN_FOR.total_seconds()


def _is_wanted(record: TaskRecord) -> bool:
    return record.state is TaskState.QUEUED and not record.cancel_requested_at


class _Adder:
    """Adds up to 100 tasks to a job, and finds the few that spoil the call for the others by halving.

    An answer that decides nothing is halved as well, since a single task may cause it; but only a few times, since it
    may as well concern every call.
    """

    def __init__(self, chunk: _Chunk, tasks: Mapping[str, NewTask]) -> None:
        self._chunk = chunk
        self._app = chunk.app
        self._tasks = tasks
        self._doubtful_calls = 0

    async def add(self, chunk: Sequence[Stored]) -> Done:
        """Add the tasks of these records; returns what each became."""
        due, changed = await _as_known_now(self._chunk, chunk)
        return changed | (await self._add(due) if due else {})

    async def _add(self, chunk: Sequence[Stored]) -> Done:
        try:
            tasks = [self._tasks[one.record.task_id] for one in chunk]
            errors = await self._app.batch.add_tasks(self._chunk.job_id, tasks)
        except ServiceError as exc:
            if takes_no_tasks(exc) and self._chunk.moves < _MAX_MOVES:
                return await _move(self._chunk, chunk)
            if self._is_worth_halving(chunk, exc):
                middle = len(chunk) // 2
                return await self.add(chunk[:middle]) | await self.add(chunk[middle:])
            return await _settle(self._app, chunk, {one.record.task_id: exc for one in chunk})
        return await _settle(self._app, chunk, errors)

    def _is_worth_halving(self, chunk: Sequence[Stored], error: ServiceError) -> bool:
        if len(chunk) == 1 or not isinstance(error, Refused | Conflict | Unexpected):
            return False
        self._doubtful_calls += not is_never_accepted(error)
        return self._doubtful_calls <= _MAX_DOUBTFUL_CALLS


async def _move(chunk: _Chunk, records: Sequence[Stored]) -> Done:
    """Move the records to the next job, except those whose task the ended one has after all."""
    app, ended_job_id = chunk.app, chunk.job_id
    logger.info("Job %s takes no more tasks; %d go on to the next.", ended_job_id, len(records))
    try:
        added = [one for one in records if await app.batch.has_task(ended_job_id, one.record.task_id)]
    except ServiceError as exc:
        return await _still_queued(app, records, exc)
    others = [one for one in records if one not in added]
    next_job_id = await app.jobs.replace(ended_job_id, chunk.kind)
    moved = await app.table.update([Change(one, replace(one.record, job_id=next_job_id)) for one in others])
    done = await _settle(app, added, {one.record.task_id: None for one in added})
    done |= await hand_over(app, [one for one in moved if one is not None], chunk.moves + 1)
    return done | await _reread(app, [one for one, now in zip(others, moved, strict=True) if now is None])


async def _settle(app: App, chunk: Sequence[Stored], errors: Mapping[str, ServiceError | None]) -> Done:
    """Write down what Batch said of each task.

    Only what Batch says it can never accept is rejected, and only if it does not have the task: an earlier call may
    have added it, though its answer was not understood.
    """
    by_id = {task_id.lower(): error for task_id, error in errors.items()}
    unanswered = Unexpected("adding the task", detail="Batch's reply did not mention it")
    verdicts = [(one, await _checked(app, one, by_id.get(one.record.task_id.lower(), unanswered))) for one in chunk]
    waiting = [(one, error) for one, error in verdicts if error is not None and not is_never_accepted(error)]
    refused = [(one, error) for one, error in verdicts if error is not None and is_never_accepted(error)]
    alike = {id(error): (error, [one for one, of_one in waiting if of_one is error]) for _, error in waiting}
    return await _each(
        [
            partial(_accept, app, [one for one, error in verdicts if error is None]),
            *(partial(_still_queued, app, some, error) for error, some in alike.values()),
            partial(_reject, app, refused),
        ]
    )


async def _checked(app: App, one: Stored, error: ServiceError | None) -> ServiceError | None:
    """Ask Batch whether it has a task that it refuses; returns None if it does, and a doubt if it does not say."""
    if error is None or not is_never_accepted(error):
        return error
    try:
        return None if await app.batch.has_task(one.record.job_id, one.record.task_id) else error
    except ServiceError as exc:
        return Unexpected(error.action, detail=f"{error}; whether Batch has the task is not known: {exc}")


async def _accept(app: App, accepted: Sequence[Stored]) -> Done:
    now = app.now()
    done = await _update(
        app,
        [
            Change(
                one,
                replace(one.record, state=TaskState.SUBMITTED, submitted_at=now, reason=None, next_attempt_at=None),
            )
            for one in accepted
        ],
    )
    if done:
        # By their ids, which hold the files' names as far as these are letters and digits.
        logger.info("Batch has %d tasks: %s", len(done), ", ".join(done))
    for record in done.values():
        # Cancelled while Batch took it: nothing else knows yet that there is a task to terminate.
        if record.cancel_requested_at:
            await app.batch.terminate_task(record.job_id, record.task_id)
    return done


async def _still_queued(app: App, chunk: Sequence[Stored], error: AppError) -> Done:
    """Write why Batch has not accepted the records, or was not asked to, and when to ask again."""
    if not chunk:
        return {}
    logger.warning("Batch has not accepted %d tasks, %s first: %s", len(chunk), chunk[0].record.task_id, error)
    now = app.now()
    return await _update(app, [Change(one, _postponed(one.record, error, now)) for one in chunk])


async def _hold(app: App, held: Sequence[tuple[Stored, str]]) -> Done:
    """Write why the records are not handed over: once, since what a person has to do stays the same until it is done.

    They are due all the while: with the first tick after that they go on.
    """
    now = app.now()
    changed = [
        Change(one, replace(one.record, reason=reason, next_attempt_at=now))
        for one, reason in held
        if one.record.reason != reason
    ]
    unchanged = {one.record.task_id: one.record for one, reason in held if one.record.reason == reason}
    return unchanged | await _update(app, changed)


def _postponed(record: TaskRecord, error: AppError, now: datetime) -> TaskRecord:
    tries = record.submit_tries + 1
    next_attempt_at = now + backoff(tries, error.retry_after if isinstance(error, ServiceError) else None)
    return replace(record, reason=str(error), submit_tries=tries, next_attempt_at=next_attempt_at)


def _no_route(app: App, record: TaskRecord) -> RoutesError:
    file = app.settings.routes.file.name
    if not record.is_route_chosen and (why := why_ignored(app, record.blob)):
        return RoutesError([f"by {file} as it is now, {why}"])
    if record.is_route_chosen:
        return RoutesError([f"the route {record.route!r}, which was chosen for it, is not in {file} any more"])
    return RoutesError([f"no route of {file} matches its name, and 'unmatched' is not \"settings\""])


async def _reject(app: App, refused: Sequence[tuple[Stored, AppError]]) -> Done:
    closings = [Closing.of(one, Outcome(state=TaskState.REJECTED, reason=str(error))) for one, error in refused]
    await app.table.close(closings, app.now())
    return await _reread(app, [one for one, _ in refused])


async def _update(app: App, changes: Sequence[Change]) -> Done:
    """Change the records; one that was modified concurrently is read again and left as it is."""
    changed = await app.table.update(changes)
    done = {one.record.task_id: one.record for one in changed if one is not None}
    return done | await _reread(app, [one.stored for one in changes if one.record.task_id not in done])


async def _reread(app: App, stored: Sequence[Stored]) -> Done:
    fresh = [await app.table.get(one.record.task_id) for one in stored]
    return {one.record.task_id: one.record for one in fresh}
