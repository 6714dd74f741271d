"""Queued records whose files cannot be read: what never can be is rejected, what may be waits until it can.

Whether an archived file has been rehydrated is asked for each such record by itself, seldom: nothing in a listing is
newer after a rehydration, which changes neither the ETag (https://learn.microsoft.com/rest/api/storageservices/set-blob-tier)
nor Last-Modified (https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotAFile, NotNow, ServiceError
from batch_core.naming import has_dot_segment
from batch_core.obstacle import Obstacle
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.record import Outcome, TaskRecord, TaskState

logger = logging.getLogger(__name__)

#: How long until an archived file is looked at again: once rehydration is requested, it may be readable within an
#: hour (https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview#rehydration-priority).
ARCHIVED_PAUSE: Final = timedelta(hours=1)
REHYDRATING_PAUSE: Final = timedelta(minutes=15)
_AT_ONCE: Final = 16


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """What keeps a record from Batch now (None: nothing), and what its reason says of that."""

    obstacle: Obstacle | None
    reason: str
    is_final: bool = False


async def readable_among(app: App, queued: Sequence[Stored]) -> tuple[list[Stored], dict[str, TaskRecord]]:
    """Return those of the queued records whose files can be read, and what became of the others, by task id.

    Costs nothing for records without an obstacle, and one call for each archived file after the first look. Raises
    `ServiceError` when the table fails.
    """
    readable = [one for one in queued if _last_seen(one.record) is None]
    others = [one for one in queued if _last_seen(one.record) is not None]
    alike: defaultdict[tuple[_Finding, int], list[Stored]] = defaultdict(list)
    for one, finding in zip(others, await _look_at(app, others), strict=True):
        alike[finding, one.record.submit_tries].append(one)
    for (finding, tries), some in alike.items():
        readable += await _write_down(app, some, finding, tries + 1)
    left = {one.record.task_id for one in others} - {one.record.task_id for one in readable}
    done = await app.table.records_among(left)
    return readable, {task_id: stored.record for task_id, stored in done.items()}


def _last_seen(record: TaskRecord) -> Obstacle | None:
    # Records of older releases do not name their obstacles.
    return Obstacle.NAME if has_dot_segment(record.blob) else record.obstacle


async def _look_at(app: App, others: Sequence[Stored]) -> list[_Finding]:
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def look(record: TaskRecord) -> _Finding:
        async with at_once:
            return await _finding(app, record)

    return await asyncio.gather(*(look(one.record) for one in others))


async def _finding(app: App, record: TaskRecord) -> _Finding:
    try:
        obstacle = await _obstacle_now(app, record)
    except (BlobNotFound, NotAFile, NotNow) as exc:
        reason = f"it was archived, and cannot be read any more: {exc}"
        return _Finding(obstacle=record.obstacle, reason=reason, is_final=True)
    except ServiceError as exc:
        reason = f"archived when last looked at; whether it still is could not be found out: {exc}"
        return _Finding(obstacle=record.obstacle, reason=reason)
    if obstacle is None:
        return _Finding(obstacle=None, reason="rehydrated; being handed to Batch")
    return _Finding(obstacle=obstacle, reason=obstacle.sentence, is_final=not obstacle.may_pass)


async def _obstacle_now(app: App, record: TaskRecord) -> Obstacle | None:
    # A record that is new says what was seen a moment ago.
    obstacle = _last_seen(record)
    if obstacle is None or not obstacle.may_pass or not record.submit_tries:
        return obstacle
    version = await app.inputs.version_of(record.blob)
    if version.etag != record.blob_etag:
        raise NotNow(f"blob {record.blob!r} has a new version, which has a task of its own")
    return version.obstacle


async def _write_down(app: App, alike: Sequence[Stored], finding: _Finding, tries: int) -> list[Stored]:
    """Write the finding to the records; returns those that can go on, as they are now."""
    if finding.is_final:
        logger.error("%d files can never be submitted: %s", len(alike), finding.reason)
        outcome = Outcome(state=TaskState.REJECTED, reason=finding.reason)
        await app.table.close([Closing.of(one, outcome) for one in alike], app.now())
        return []
    if finding.obstacle is None:
        changed = await app.table.update([Change(one, _released(one.record, finding.reason)) for one in alike])
        return [one for one in changed if one is not None]
    pause = REHYDRATING_PAUSE if finding.obstacle is Obstacle.REHYDRATING else ARCHIVED_PAUSE
    next_attempt_at = app.now() + pause
    await app.table.update([Change(one, _kept(one.record, finding, tries, next_attempt_at)) for one in alike])
    return []


def _kept(record: TaskRecord, finding: _Finding, tries: int, next_attempt_at: datetime) -> TaskRecord:
    return replace(
        record,
        obstacle=finding.obstacle,
        reason=finding.reason,
        submit_tries=tries,
        next_attempt_at=next_attempt_at,
    )


def _released(record: TaskRecord, reason: str) -> TaskRecord:
    # The job of the day when it was recorded may be closed by now: a record that waits for months holds no job.
    return replace(record, obstacle=None, job_id="", reason=reason, submit_tries=0, next_attempt_at=None)
