"""Tasks as they are listed: the newest first, page by page, at a cost that does not grow with what lies behind.

    all, or by state, route, name     records, day by day, as the history lists the days that have any
    queued or submitted, or waiting   open work, day by day, and the records of it
    by the exact name of a file       its attempts: look at the blob, and what the task id is follows

At most nine calls to the table for a page; one to Batch for each job and 1,000 of its tasks that have not ended.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from batch_core.app import App
from batch_core.errors import BlobNotFound, NotAFile, ServiceError
from batch_core.live import PATIENCE_SECONDS
from batch_core.services.batch_values import LiveTask
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import OPEN_STATES, TaskRecord, TaskState
from batch_core.waiting import AT_WORK

#: Records of a page of the table, and where the list goes on after it.
type _Found = tuple[Sequence[TaskRecord], Place | None]

#: Pages that are asked of the table for one page of ours; what they did not reach is the next page's.
_MOST_PAGES: Final = 8
#: https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination
_PER_CALL: Final = 1000
#: Open work takes two calls a page.
_MOST_OPEN_PAGES: Final = 4
#: Jobs that are asked for what runs; of the tasks of more, the records say enough.
_MOST_JOBS: Final = 5


@dataclass(frozen=True, kw_only=True)
class TaskQuery:
    """Which tasks are wanted, up to `limit` of them; `waiting`: that have been waiting for longer than this."""

    wanted: RecordFilter = field(default_factory=RecordFilter)
    day: str | None = None
    waiting: timedelta | None = None
    limit: int = 50

    @property
    def is_open(self) -> bool:
        """Whether only open work can match."""
        return self.waiting is not None or (bool(self.wanted.states) and self.wanted.states <= OPEN_STATES)


@dataclass(frozen=True, kw_only=True)
class TaskPage:
    """Records, what Batch says now of those that it has, and where the list goes on; None: it is at its end."""

    records: Sequence[TaskRecord]
    live: Mapping[str, LiveTask] = field(default_factory=dict)
    next: Place | None = None


async def list_tasks(app: App, query: TaskQuery, place: Place | None = None) -> TaskPage:
    """Return a page of tasks, which may be short and go on. Raises the `ServiceError` that fits."""
    found: list[TaskRecord] = []
    further: Place | None = None
    async for records, following in pages(app, query, place):
        found += records
        further = following
    live = await _live(app, found)
    if query.waiting is not None:
        found = [record for record in found if not _is_running(live.get(record.task_id))]
    return TaskPage(records=found, live=live, next=further)


async def attempts_at(app: App, blob: str) -> TaskPage:
    """Return all attempts at a file as it is now, the newest first; none if there is no such file now, or no record.

    Raises the `ServiceError` that fits.
    """
    try:
        version = await app.inputs.version_of(blob)
    except (BlobNotFound, NotAFile):
        return TaskPage(records=[])
    records = sorted(await app.listing.attempts(version), key=lambda record: -record.attempt)
    return TaskPage(records=records, live=await _live(app, records))


def pages(app: App, query: TaskQuery, place: Place | None) -> AsyncIterator[_Found]:
    """Read pages of records as the table gives them, up to `limit` records and nine calls."""
    return _open_pages(app, query, place) if query.is_open else _pages(app, query, place)


async def _pages(app: App, query: TaskQuery, place: Place | None) -> AsyncIterator[_Found]:
    """Read pages of records, each with where the list goes on after it."""
    days = [place.day] if place else []
    if query.day is not None:
        days = days or [query.day]
    else:
        # One more than can be read: so it is seen whether the list goes on.
        days += await app.history.days(place.day if place else None, _MOST_PAGES + 1)
    found, read = 0, 0
    for at, following in _places(days, place):
        here: Place | None = at
        while here is not None and found < query.limit and read < _MOST_PAGES:
            page = await app.listing.records(here, query.wanted, min(query.limit - found, _PER_CALL))
            here, found, read = page.next, found + len(page.found), read + 1
            yield page.found, here or following


async def _open_pages(app: App, query: TaskQuery, place: Place | None) -> AsyncIterator[_Found]:
    """Read pages of records of open work, each with where the list goes on after it."""
    wanted = replace(query.wanted, states=query.wanted.states or OPEN_STATES)
    since = None if query.waiting is None else app.now() - query.waiting
    days = [query.day] if query.day else sorted(await app.table.days(), reverse=True)
    days = [day for day in days if place is None or day <= place.day]
    found, read = 0, 0
    for at, following in _places(days, place):
        here: Place | None = at
        while here is not None and found < query.limit and read < _MOST_OPEN_PAGES:
            page = await app.listing.open_tasks(here, wanted.prefix, since, min(query.limit - found, _PER_CALL))
            records, here = await app.listing.records_of(page, wanted)
            found, read = found + len(records), read + 1
            yield records, here or following


def _places(days: Sequence[str], place: Place | None) -> Iterator[tuple[Place, Place | None]]:
    """Return where to begin in each of the days, and in the one that follows, if any does."""
    places = [place if place and place.day == day else Place(day=day) for day in days]
    yield from itertools.zip_longest(places, places[1:])


async def _live(app: App, records: Sequence[TaskRecord]) -> dict[str, LiveTask]:
    """Return what Batch says of the tasks that it has; nothing of those for which it does not answer in time."""
    jobs = sorted({record.job_id for record in records if record.state is TaskState.SUBMITTED}, reverse=True)

    async def of_job(job_id: str) -> dict[str, LiveTask]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await app.batch.live_tasks(job_id)
        except (ServiceError, TimeoutError):
            return {}

    wanted = {record.task_id for record in records}
    answers = await asyncio.gather(*map(of_job, jobs[:_MOST_JOBS]))
    return {task_id: live for answer in answers for task_id, live in answer.items() if task_id in wanted}


def _is_running(live: LiveTask | None) -> bool:
    return live is not None and live.state in AT_WORK
