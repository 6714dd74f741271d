"""Files whose event never came: the input container is listed, and files without a record are submitted.

Cost: one call lists up to 1,000 files, and there is no way to list only the new ones; but only files that were
modified since the last complete sweep are looked up in the table, about a thousand in a call. A listing that a tick
cannot finish goes on in the next one. Old files without a record, whose records may have been removed, are left alone:
one call more for a page that has any.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from batch_core.app import App
from batch_core.assignment import why_ignored
from batch_core.clocks import CLOCK_MARGIN
from batch_core.errors import OutOfTime, Refused, ServiceError, Unexpected
from batch_core.forgotten import may_be_forgotten
from batch_core.naming import BlobVersion, task_id
from batch_core.services.batch import MAX_TASKS_PER_CALL
from batch_core.services.input_listing import ListedPage
from batch_core.state.record import DetectedBy
from batch_core.state.sweep_checkpoint import SweepPosition
from batch_core.submit import submit
from batch_core.time_budget import TICK, TimeBudget

logger = logging.getLogger(__name__)

#: Files that are looked up in the table with each other, however many pages they are from.
_LOOKED_UP_TOGETHER: Final = 5000
#: How long pages are listed before what they have is looked up and submitted: so much at most is done again.
_LISTED_FOR: Final = timedelta(seconds=30)
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(kw_only=True)
class SweepReport:
    """What a tick did: files listed, looked up in the table, found without a record and submitted or left alone."""

    listed: int = 0
    looked_up: int = 0
    submitted: int = 0
    #: They are so old that their records may have been removed.
    forgotten: int = 0
    is_complete: bool = False


@dataclass(kw_only=True)
class _Listed:
    """Some pages of the container: the files that are to be looked up, by the ids of their tasks, and what follows."""

    #: After these pages.
    position: SweepPosition
    is_last: bool = False
    files: int = 0
    candidates: dict[str, BlobVersion] = field(default_factory=dict)
    #: Why no page could be listed after these: raised when what these have is submitted.
    failure: ServiceError | None = None

    def add(self, page: ListedPage, candidates: Mapping[str, BlobVersion]) -> None:
        self.position = _after(self.position, page)
        self.is_last = page.continuation is None
        self.files += len(page.versions) + len(page.pending)
        self.candidates.update(candidates)


class _Lister:
    """Lists the container from a position on, some pages at a time."""

    def __init__(self, app: App, position: SweepPosition) -> None:
        self._app = app
        self._position = position
        self._container = app.settings.input_container
        self._pages = app.inputs.listing(position.continuation)
        #: Places that the listing has come to: one that comes again would never let it end.
        self._passed: set[str] = set()

    async def list_some(self, time_budget: TimeBudget) -> _Listed:
        """List on for a while, until there is enough to look up or nothing more to list.

        Candidates of many pages are looked up together: their records lie anywhere in the same half hour of the table,
        whose scan costs the same for one of them as for thousands.
        """
        listed, budgets = _Listed(position=self._position), (TimeBudget(_LISTED_FOR), time_budget)
        while True:
            try:
                await self._add_page(listed)
            except ServiceError as exc:
                listed.failure = exc
            is_enough = len(listed.candidates) >= _LOOKED_UP_TOGETHER or any(one.is_spent for one in budgets)
            if is_enough or listed.is_last or listed.failure is not None:
                self._position = listed.position
                return listed

    async def _add_page(self, listed: _Listed) -> None:
        page = await self._next_page(listed.position)
        listed.add(page, _candidates(self._app, self._position, page))
        if page.continuation in self._passed:
            raise Unexpected(f"listing container {self._container}", detail="it leads back to a page that was read")
        if page.continuation is not None:
            self._passed.add(page.continuation)

    async def _next_page(self, position: SweepPosition) -> ListedPage:
        try:
            return await self._pages.next_page()
        except Refused:
            if position.continuation is None:
                raise
            logger.warning("The listing of container %s cannot be continued; it starts again.", self._container)
            self._pages.start_again()
            return await self._pages.next_page()


async def sweep(app: App, budget: timedelta = TICK, *, is_all: bool = False) -> SweepReport:
    """Submit every file without a record; idempotent, reentrant and crash-safe.

    Files that were modified before the last complete sweep are not looked up, unless `is_all`: so a route that is new
    reaches files that were ignored before.
    """
    time_budget = TimeBudget(budget)
    report = SweepReport()
    position = _begun(app, SweepPosition() if is_all else await app.sweep_checkpoint.load())
    lister = _Lister(app, position)
    with suppress(OutOfTime):
        while not report.is_complete:
            listed = await lister.list_some(time_budget)
            await _submit_missing(app, listed, report, time_budget)
            if listed.failure is not None:
                raise listed.failure
            position, report.is_complete = listed.position, listed.is_last
            time_budget.check()
    await app.sweep_checkpoint.save(_completed(app, position) if report.is_complete else position)
    return report


async def missing_files(app: App, *, is_all: bool = False) -> AsyncIterator[Sequence[BlobVersion]]:
    """Give the files that a sweep would submit now, some thousands at a time; nothing is changed, nor noted."""
    position = _begun(app, SweepPosition() if is_all else await app.sweep_checkpoint.load())
    lister = _Lister(app, position)
    is_complete = False
    while not is_complete:
        listed = await lister.list_some(TimeBudget(TICK))
        missing, _ = await _missing(app, listed.candidates)
        yield missing
        if listed.failure is not None:
            raise listed.failure
        is_complete = listed.is_last


def _begun(app: App, position: SweepPosition) -> SweepPosition:
    """Go on with a listing of the container that was begun, or begin one."""
    container = app.settings.input_container
    if position.container not in {None, container}:
        # What was swept of another container says nothing of this one.
        return SweepPosition(container=container, started_at=app.now())
    if position.started_at is None:
        return replace(position, container=container, started_at=app.now(), continuation=None)
    return replace(position, container=container)


async def _submit_missing(app: App, listed: _Listed, report: SweepReport, time_budget: TimeBudget) -> None:
    """Submit the files that have no record; raises `OutOfTime`: the next tick lists these pages again."""
    report.listed += listed.files
    report.looked_up += len(listed.candidates)
    missing, forgotten = await _missing(app, listed.candidates)
    report.forgotten += forgotten
    for start in range(0, len(missing), MAX_TASKS_PER_CALL):
        if start:
            time_budget.check()
        together = missing[start : start + MAX_TASKS_PER_CALL]
        logger.warning("Submitting %d files without a record, %r first.", len(together), together[0].name)
        await submit(app, together, detected_by=DetectedBy.SWEEP)
        report.submitted += len(together)


def _candidates(app: App, position: SweepPosition, page: ListedPage) -> dict[str, BlobVersion]:
    """Return the files that are looked up, by the ids of their tasks."""
    return {task_id(version): version for version in page.versions if _is_candidate(app, position, version)}


async def _missing(app: App, candidates: Mapping[str, BlobVersion]) -> tuple[list[BlobVersion], int]:
    """Return the files that have no record, and how many of these are left alone as their records may be gone."""
    recorded = await app.table.recorded_among(candidates)
    missing = [version for key, version in candidates.items() if key not in recorded]
    forgotten = {task_id(version) for version in await may_be_forgotten(app, missing)}
    return [version for version in missing if task_id(version) not in forgotten], len(forgotten)


def _after(position: SweepPosition, page: ListedPage) -> SweepPosition:
    # A file that is still being copied counts from when the copy is done: the next sweep must not pass over it.
    left = [version.last_modified for version in page.pending]
    oldest = min([*left, *([position.oldest_left] if position.oldest_left else [])], default=None)
    long_name = position.long_name_so_far or page.long_name
    return replace(position, continuation=page.continuation, oldest_left=oldest, long_name_so_far=long_name)


def _is_candidate(app: App, position: SweepPosition, version: BlobVersion) -> bool:
    is_new = version.last_modified >= (position.swept_until or _BEGINNING)
    is_old_enough = version.last_modified <= app.now() - app.settings.intake.sweep_grace
    is_candidate = is_new and is_old_enough and app.settings.intake.takes(version)
    return is_candidate and why_ignored(app, version.name) is None


def _completed(app: App, position: SweepPosition) -> SweepPosition:
    started_at = position.started_at or app.now()
    # Storage's clock decides when a file was modified: files of the margin are looked up once more. An identity works
    # with a clock that is further off, too.
    ahead = max(app.clients.storage_clock.ahead(app.now()) or timedelta(0), timedelta(0))
    safe = started_at - ahead - app.settings.intake.sweep_grace - CLOCK_MARGIN
    swept_until = min([safe, *([position.oldest_left] if position.oldest_left else [])])
    return SweepPosition(container=position.container, swept_until=swept_until, long_name=position.long_name_so_far)
