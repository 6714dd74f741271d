"""Files become records, and records become Batch tasks.

    versions ──insert──▶ queued records ──hand over──▶ submitted (or rejected, or still queued with the reason)

A record is written before Batch is called: so an interrupted submission leaves a queued record, which a tick finishes.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from batch_core.app import App
from batch_core.assignment import pinned, route_of
from batch_core.config.routes import Route
from batch_core.errors import RecordNotFound, RoutesError, TooManyAttempts
from batch_core.hand_over import hand_over
from batch_core.naming import MAX_ATTEMPT, BlobVersion, task_id
from batch_core.state.changes import Change, Stored
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.submission import Submission


async def submit(
    app: App,
    versions: Sequence[BlobVersion],
    *,
    detected_by: DetectedBy,
    is_urgent: bool = False,
    chosen: Route | None = None,
    asked_by: str | None = None,
) -> list[Submission]:
    """Make sure that Batch has a task for each version, each once; returns them in the same order.

    A record that is still queued afterwards carries the reason. One that waits for its next attempt is left waiting,
    unless it is urgent. A chosen route takes files without a record whatever they are called. Raises `ServiceError`
    when the table itself fails.
    """
    unique = list({task_id(version): version for version in versions}.values())
    records = [new_record(app, one, detected_by, 1, asked_by) for one in unique]
    stored, is_new = await _record(app, records, chosen)
    done = await hand_over(app, [one for one in stored if is_urgent or _is_due(one.record, app.now())])
    submissions = {
        one.record.task_id: Submission(record=done.get(one.record.task_id, one.record), is_new=new)
        for one, new in zip(stored, is_new, strict=True)
    }
    return [submissions[task_id(version)] for version in versions]


async def submit_again(
    app: App,
    version: BlobVersion,
    *,
    detected_by: DetectedBy,
    chosen: Route | None = None,
    asked_by: str | None = None,
) -> Submission:
    """Make a new attempt at this version, whatever became of the earlier ones.

    One query finds the newest attempt; each further round lost a race for the next number to another caller. Raises
    `TooManyAttempts`, and `ServiceError` when the table itself fails.
    """
    while True:
        attempt = await next_attempt(app, version)
        submission = await submit_attempt(
            app, version, attempt, detected_by=detected_by, chosen=chosen, asked_by=asked_by
        )
        if submission.is_new:
            return submission


async def next_attempt(app: App, version: BlobVersion) -> int:
    """Return the number after the highest attempt at this version; a gap is not filled.

    Batch may still have the task whose record was removed, and would take its id for done. Raises
    `TooManyAttempts`.
    """
    attempt = await app.table.newest_attempt(version) + 1
    if attempt > MAX_ATTEMPT:
        raise TooManyAttempts(
            f"blob {version.name!r} has {MAX_ATTEMPT} attempts: write it again, and it starts with the first"
        )
    return attempt


async def submit_attempt(
    app: App,
    version: BlobVersion,
    attempt: int,
    *,
    detected_by: DetectedBy,
    chosen: Route | None = None,
    retry_of: TaskRecord | None = None,
    asked_by: str | None = None,
) -> Submission:
    """Make this attempt at this version unless it exists; a queued record is handed to Batch in either case.

    One that retries another takes today's route, or the one that was chosen for the other, and says what took that.
    """
    record = new_record(app, version, detected_by, attempt, asked_by)
    if retry_of is not None:
        record = _retry_record(record, retry_of)
    (one,), (is_new,) = await _record(app, [record], chosen)
    return await _handed_over(app, one, is_new=is_new)


async def submit_after(
    app: App, version: BlobVersion, attempt: int, claim: Change, *, detected_by: DetectedBy, asked_by: str | None
) -> Submission | None:
    """Make this attempt, and with it the change by which an earlier one names it: both are written, or neither.

    None if the attempt exists, or the earlier one was modified since it was read. Raises `ServiceError` when the table
    itself fails.
    """
    record = _retry_record(new_record(app, version, detected_by, attempt, asked_by), claim.record)
    record = replace(await _routed(app, record, None), submission=uuid4().hex)
    stored = await app.table.insert_after(record, claim) or await _own(app, record)
    return await _handed_over(app, stored, is_new=True) if stored else None


async def _own(app: App, record: TaskRecord) -> Stored | None:
    """Return a record if it is there and this very submission has made it: the reply to that may have been lost."""
    try:
        stored = await app.table.get(record.task_id)
    except RecordNotFound:
        return None
    return stored if stored.record.submission == record.submission else None


async def _handed_over(app: App, one: Stored, *, is_new: bool) -> Submission:
    done = await hand_over(app, [one])
    return Submission(record=done.get(one.record.task_id, one.record), is_new=is_new)


async def _record(app: App, records: Sequence[TaskRecord], chosen: Route | None) -> tuple[list[Stored], list[bool]]:
    """Insert the records that do not exist yet; returns all as they are stored, and which are new."""
    submission = uuid4().hex
    records = [replace(await _routed(app, record, chosen), submission=submission) for record in records]
    inserted = await app.table.insert(records)
    stored = [one or await app.table.get(record.task_id) for one, record in zip(inserted, records, strict=True)]
    # The reply to an insertion may be lost: the SDK sends it again, and finds what it has inserted itself.
    return stored, [one.record.submission == submission for one in stored]


async def _routed(app: App, record: TaskRecord, chosen: Route | None) -> TaskRecord:
    """Return a new record with its route and job, or without them where no route takes it for now."""
    if chosen is not None:
        return await pinned(app, replace(record, is_route_chosen=True), chosen)
    try:
        routes = app.routes()
    except RoutesError:
        # The hand-over, which needs them, says so.
        return record
    return await pinned(app, record, route_of(routes, record))


def new_record(
    app: App, version: BlobVersion, detected_by: DetectedBy, attempt: int, asked_by: str | None = None
) -> TaskRecord:
    """Return the record of a new attempt at a version, without route and job."""
    return TaskRecord(
        task_id=task_id(version, attempt),
        container=version.container,
        blob=version.name,
        blob_etag=version.etag.strip('"'),
        blob_last_modified=version.last_modified,
        blob_size=version.size,
        blob_metadata=json.dumps(dict(version.metadata), ensure_ascii=False) if version.metadata else None,
        attempt=attempt,
        detected_by=detected_by,
        asked_by=asked_by,
        state=TaskState.QUEUED,
        recorded_at=app.now(),
        reason="recorded; being handed to Batch",
        obstacle=version.obstacle,
    )


def _retry_record(record: TaskRecord, earlier: TaskRecord) -> TaskRecord:
    """Return the record of a new attempt with what it takes over from the earlier one."""
    is_by_itself = record.detected_by is DetectedBy.OUTPUT_LOST
    return replace(
        record,
        retry_of=earlier.task_id,
        lost_before=earlier.lost_before + 1 if is_by_itself else 0,
        route=earlier.route,
        route_digest=earlier.route_digest,
        is_route_chosen=earlier.is_route_chosen,
    )


def _is_due(record: TaskRecord, now: datetime) -> bool:
    return record.next_attempt_at is None or record.next_attempt_at <= now
