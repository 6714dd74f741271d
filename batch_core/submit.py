"""Files become Batch tasks: recorded first, then handed to Batch, up to 100 in a call.

    versions ──insert──▶ queued records ──add tasks──▶ submitted
                              │  ▲                        (or rejected, or still queued with the reason)
                              └──┘ its job takes no more tasks: the next job

A record names its job before Batch is called, and moves to another job only when the old one verifiably has not got the
task: so a task is never added twice, wherever the process stops.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from uuid import uuid4

from azure.batch.models import BatchTaskCreateOptions

from batch_core.app import App
from batch_core.backoff import backoff
from batch_core.errors import Conflict, NotNow, Refused, ServiceError, Unexpected
from batch_core.naming import MAX_ATTEMPT, BlobVersion, task_id
from batch_core.obstructed import readable_among
from batch_core.services.batch import MAX_TASKS_PER_CALL, is_closed_job, is_never_accepted
from batch_core.state.entities import Stored
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState
from batch_core.state.table import Closing
from batch_core.task import batch_task

logger = logging.getLogger(__name__)

#: A record that was read longer ago is read again before Batch is given its task: somebody may have cancelled it.
KNOWN_FOR = timedelta(minutes=1)
#: More jobs than this are not closed under a submission's feet without something being wrong.
_MAX_MOVES = 5
#: Calls to add tasks of one chunk that may end in an answer that decides nothing: enough to find three tasks of a
#: hundred that cause it, and few where every call ends so.
_MAX_DOUBTFUL_CALLS = 20


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of one blob version; `is_new` if this call recorded it."""

    record: TaskRecord
    is_new: bool


async def submit(
    app: App, versions: Sequence[BlobVersion], *, detected_by: DetectedBy, is_urgent: bool = False
) -> list[Submission]:
    """Make sure that Batch has a task for each version, each once; returns them in the same order.

    A record that is still queued afterwards carries the reason. One that waits for its next attempt is left waiting,
    unless it is urgent. Raises `ServiceError` when the table itself fails.
    """
    unique = list({task_id(version): version for version in versions}.values())
    stored, is_new = await _record(app, unique, detected_by, attempt=1)
    done = await hand_over(app, [one for one in stored if is_urgent or _is_due(one.record, app.now())])
    submissions = {
        one.record.task_id: Submission(record=done.get(one.record.task_id, one.record), is_new=new)
        for one, new in zip(stored, is_new, strict=True)
    }
    return [submissions[task_id(version)] for version in versions]


async def submit_again(app: App, version: BlobVersion, *, detected_by: DetectedBy) -> Submission:
    """Make a new attempt at this version, whatever became of the earlier ones; raises `NotNow` if there are too many.

    One look finds the newest; each further one belongs to somebody else who made an attempt in the same moment.
    """
    while True:
        attempt = await next_attempt(app, version)
        submission = await submit_attempt(app, version, attempt, detected_by=detected_by)
        if submission.is_new:
            return submission


async def next_attempt(app: App, version: BlobVersion) -> int:
    """Return the number after the highest attempt at this version: a gap that somebody left is not filled.

    Batch may still have the task whose record was removed, and would take its id for done. Raises `NotNow`.
    """
    attempt = await app.table.newest_attempt(version) + 1
    if attempt > MAX_ATTEMPT:
        raise NotNow(f"blob {version.name!r} has {MAX_ATTEMPT} attempts: write it again, and it starts with the first")
    return attempt


async def submit_attempt(
    app: App, version: BlobVersion, attempt: int, *, detected_by: DetectedBy, retry_of: str | None = None
) -> Submission:
    """Make this attempt at this version unless there is one; what is queued is handed to Batch in either case."""
    (one,), (is_new,) = await _record(app, [version], detected_by, attempt=attempt, retry_of=retry_of)
    done = await hand_over(app, [one])
    return Submission(record=done.get(one.record.task_id, one.record), is_new=is_new)


async def _record(
    app: App,
    versions: Sequence[BlobVersion],
    detected_by: DetectedBy,
    *,
    attempt: int,
    retry_of: str | None = None,
) -> tuple[list[Stored], list[bool]]:
    """Record the versions that are not recorded yet; returns all records, and which are new."""
    job_id = await app.jobs.current()
    submission = uuid4().hex
    records = [
        replace(_new_record(app, version, detected_by, attempt, job_id), retry_of=retry_of, submission=submission)
        for version in versions
    ]
    inserted = await app.table.insert(records)
    stored = [one or await app.table.get(record.task_id) for one, record in zip(inserted, records, strict=True)]
    # The answer to an insertion may be lost: the SDK sends it again, and finds what it has inserted itself.
    return stored, [one.record.submission == submission for one in stored]


def _new_record(app: App, version: BlobVersion, detected_by: DetectedBy, attempt: int, job_id: str) -> TaskRecord:
    return TaskRecord(
        task_id=task_id(version, attempt),
        job_id=job_id,
        container=version.container,
        blob=version.name,
        blob_etag=version.etag.strip('"'),
        blob_last_modified=version.last_modified,
        blob_size=version.size,
        attempt=attempt,
        detected_by=detected_by,
        state=TaskState.QUEUED,
        recorded_at=app.now(),
        reason="recorded; being handed to Batch",
        obstacle=version.obstacle,
    )


def _is_due(record: TaskRecord, now: datetime) -> bool:
    return record.next_attempt_at is None or record.next_attempt_at <= now


async def hand_over(app: App, records: Sequence[Stored], moves: int = 0) -> dict[str, TaskRecord]:
    """Hand those of the records that are queued to Batch; returns what each became, by task id.

    One call for each job and 100 records. Raises `ServiceError` when the table itself fails.
    """
    readable, done = await readable_among(app, [one for one in records if _is_wanted(one.record)])
    by_job: defaultdict[str, list[Stored]] = defaultdict(list)
    for one in readable:
        by_job[one.record.job_id].append(one)
    chunks = [
        (job_id, chunk)
        for job_id, of_job in by_job.items()
        for chunk in batched(of_job, MAX_TASKS_PER_CALL, strict=False)
    ]
    return done | await _each([partial(_hand_over_chunk, app, job_id, chunk, moves) for job_id, chunk in chunks])


async def _each(parts: Sequence[Callable[[], Awaitable[dict[str, TaskRecord]]]]) -> dict[str, TaskRecord]:
    """Do each part, also when the table refuses a record of an earlier one; that error comes at the end."""
    done: dict[str, TaskRecord] = {}
    refusals: list[Refused] = []
    for part in parts:
        try:
            done |= await part()
        except Refused as exc:
            refusals.append(exc)
    if refusals:
        raise refusals[0]
    return done


async def _hand_over_chunk(app: App, job_id: str, chunk: Sequence[Stored], moves: int) -> dict[str, TaskRecord]:
    try:
        await app.jobs.make(job_id)
        tasks = {one.record.task_id: await batch_task(one.record, app.settings.task, app.inputs) for one in chunk}
    except ServiceError as exc:
        return await _still_queued(app, chunk, exc)
    return await _Addition(app, job_id, tasks, moves).add(chunk)


async def _as_known_now(
    app: App, job_id: str, chunk: Sequence[Stored]
) -> tuple[Sequence[Stored], dict[str, TaskRecord]]:
    """Return those that are still to be handed over to this job, none known for long, and what became of the others.

    There may have been many records before them, a job or a key to be made, and bad weather: `cancel.UNDER_WAY` relies
    on this.
    """
    if all(_is_fresh(one) for one in chunk):
        return chunk, {}
    again = (await app.table.records_among(one.record.task_id for one in chunk)).values()
    due = [one for one in again if _is_fresh(one) and _is_wanted(one.record) and one.record.job_id == job_id]
    return due, {one.record.task_id: one.record for one in again if one not in due}


def _is_fresh(one: Stored) -> bool:
    return time.monotonic() - one.read_at <= KNOWN_FOR.total_seconds()


def _is_wanted(record: TaskRecord) -> bool:
    return record.state is TaskState.QUEUED and not record.cancel_requested_at


class _Addition:
    """Adds up to 100 tasks to a job, and finds the few that spoil the call for the others by halving.

    An answer that decides nothing is halved as well, since a single task may cause it; but only a few times, since it
    may as well concern every call.
    """

    def __init__(self, app: App, job_id: str, tasks: Mapping[str, BatchTaskCreateOptions], moves: int) -> None:
        self._app = app
        self._job_id = job_id
        self._tasks = tasks
        self._moves = moves
        self._doubtful_calls = 0

    async def add(self, chunk: Sequence[Stored]) -> dict[str, TaskRecord]:
        """Add the tasks of these records; returns what each became, by task id."""
        due, changed = await _as_known_now(self._app, self._job_id, chunk)
        return changed | (await self._add(due) if due else {})

    async def _add(self, chunk: Sequence[Stored]) -> dict[str, TaskRecord]:
        try:
            errors = await self._app.batch.add_tasks(self._job_id, [self._tasks[one.record.task_id] for one in chunk])
        except ServiceError as exc:
            if is_closed_job(exc) and self._moves < _MAX_MOVES:
                return await _move(self._app, self._job_id, chunk, self._moves + 1)
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


async def _move(app: App, closed_job_id: str, chunk: Sequence[Stored], moves: int) -> dict[str, TaskRecord]:
    """Take the records to the next job, but for those whose task the closed one has after all."""
    logger.info("Job %s takes no more tasks; %d go on to the next.", closed_job_id, len(chunk))
    try:
        there = [one for one in chunk if await app.batch.has_task(closed_job_id, one.record.task_id)]
    except ServiceError as exc:
        return await _still_queued(app, chunk, exc)
    elsewhere = [one for one in chunk if one not in there]
    next_job_id = await app.jobs.replace(closed_job_id)
    moved = await app.table.change(elsewhere, marks={"job_id": next_job_id}, job_id=next_job_id)
    done = await _settle(app, there, {one.record.task_id: None for one in there})
    done |= await hand_over(app, [one for one in moved if one is not None], moves)
    return done | await _reread(app, [one for one, now in zip(elsewhere, moved, strict=True) if now is None])


async def send_on(app: App, ended_job_id: str, records: Sequence[Stored]) -> dict[str, TaskRecord]:
    """Take records to the next job whose tasks wait in one that has ended: they have not run and never will there.

    Raises `ServiceError` as `hand_over` does.
    """
    next_job_id = await app.jobs.replace(ended_job_id)
    reason = f"job {ended_job_id} was ended before the task could run; being handed to the next one"
    marks = {"job_id": next_job_id, "is_verified": False, "explained": None}
    changes = {"job_id": next_job_id, "state": TaskState.QUEUED, "reason": reason, "submitted_at": None}
    moved = await app.table.change(records, marks=marks, **changes)
    return await hand_over(app, [one for one in moved if one is not None])


async def _settle(
    app: App, chunk: Sequence[Stored], errors: Mapping[str, ServiceError | None]
) -> dict[str, TaskRecord]:
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


async def _accept(app: App, accepted: Sequence[Stored]) -> dict[str, TaskRecord]:
    done = await _change(
        app, accepted, state=TaskState.SUBMITTED, submitted_at=app.now(), reason=None, next_attempt_at=None
    )
    for record in done.values():
        # It was cancelled while Batch took it: nobody else knows yet that there is something to stop.
        if record.cancel_requested_at:
            await app.batch.terminate_task(record.job_id, record.task_id)
    return done


async def _still_queued(app: App, chunk: Sequence[Stored], error: ServiceError) -> dict[str, TaskRecord]:
    """Note why Batch has not accepted the records, and when to ask again."""
    logger.warning("Batch has not accepted %d tasks, %s first: %s", len(chunk), chunk[0].record.task_id, error)
    by_tries: defaultdict[int, list[Stored]] = defaultdict(list)
    for one in chunk:
        by_tries[one.record.submit_tries + 1].append(one)
    done: dict[str, TaskRecord] = {}
    for tries, alike in by_tries.items():
        next_attempt = app.now() + backoff(tries, error.retry_after)
        changes = {"reason": str(error), "submit_tries": tries, "next_attempt_at": next_attempt}
        done |= await _change(app, alike, marks={"next_attempt_at": next_attempt}, **changes)
    return done


async def _reject(app: App, refused: Sequence[tuple[Stored, ServiceError]]) -> dict[str, TaskRecord]:
    closings = [_rejection(one, str(error)) for one, error in refused]
    for closing in closings:
        logger.error("Batch rejected task %s: %s", closing.task_id, closing.outcome.reason)
    await app.table.close(closings, app.now())
    return await _reread(app, [one for one, _ in refused])


def _rejection(one: Stored, reason: str) -> Closing:
    return Closing(task_id=one.record.task_id, outcome=Outcome(state=TaskState.REJECTED, reason=reason))


async def _change(
    app: App, chunk: Sequence[Stored], marks: Mapping[str, object] | None = None, **changes: object
) -> dict[str, TaskRecord]:
    """Change the records; one that somebody else changed meanwhile is read again and left as it is."""
    changed = await app.table.change(chunk, marks=marks, **changes)
    done = {one.record.task_id: one.record for one in changed if one is not None}
    return done | await _reread(app, [one for one in chunk if one.record.task_id not in done])


async def _reread(app: App, stored: Sequence[Stored]) -> dict[str, TaskRecord]:
    fresh = [await app.table.get(one.record.task_id) for one in stored]
    return {one.record.task_id: one.record for one in fresh}
