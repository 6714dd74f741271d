"""What has ended long ago is forgotten: first the outputs of a day, then its records and what is kept beside them.

A day goes as a whole, when no work in it is open and the last of it ended longer ago than the settings say. It is named
after the time of the files, like the partitions of the table; what counts is when their tasks ended.

    mark moves to a moment ──a day──▶ records of older files may go ──their day has ended long ago──▶ they go
    from then on older files without a record are left alone (`forgotten`)

Events that are not sent yet keep their day while there is a queue for them; without one nobody sends them, and they go
with the records.

The mark never passes the last complete sweep: every older file of the container has been looked at, so that none is
left alone that never had its turn. It only moves forward, whatever becomes of the settings.

Cost: five calls for a tick, one for 1,000 records of each day that is about to go, once, and then one for each 100 of
them. Outputs are two deletions for each record, which cost nothing on Azure, and a listing where files were uploaded.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from batch_core.app import App
from batch_core.errors import Conflict, OutOfTime, Refused, ServiceError
from batch_core.forgotten import RECENT
from batch_core.naming import STDERR, STDOUT, is_task_id, output_name, table_keys
from batch_core.state.history import PastDay
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import TaskRecord
from batch_core.state.retention import RetentionMark
from batch_core.time_budget import TimeBudget

logger = logging.getLogger(__name__)

#: For how long files have been left alone before their records go: longer than any submission can be under way.
_SETTLED_AFTER: Final = timedelta(days=1)
_AT_ONCE: Final = 16
_PER_PAGE: Final = 1000
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(kw_only=True)
class ForgottenReport:
    """The days whose records and outputs were, or in a dry run would be, removed."""

    records_of: list[str] = field(default_factory=list)
    outputs_of: list[str] = field(default_factory=list)
    is_complete: bool = True


def wants_retention(app: App) -> bool:
    retention = app.settings.retention
    return retention.records is not None or retention.outputs is not None


async def forget_old(app: App, budget: TimeBudget, *, is_dry_run: bool = False) -> ForgottenReport:
    """Remove what has ended long ago; idempotent, reentrant and crash-safe. Raises nothing that a service does."""
    tick = _Tick(app, budget, is_dry_run=is_dry_run)
    try:
        await tick.forget()
    except OutOfTime:
        tick.report.is_complete = False
    except ServiceError as exc:
        tick.leave("What has ended long ago is not forgotten", exc)
    return tick.report


class _Tick:
    def __init__(self, app: App, budget: TimeBudget, *, is_dry_run: bool) -> None:
        self._app = app
        self._budget = budget
        self._is_dry_run = is_dry_run
        self._mark = RetentionMark()
        #: Days that are listed as they have unsent events, each with the ETag of its entry.
        self._with_events: dict[str, str] = {}
        self.report = ForgottenReport()

    async def forget(self) -> None:
        retention = self._app.settings.retention
        # So that Storage's clock, which dates the files, is known: a wrong one here must not make anything old.
        await self._app.inputs.ping()
        if retention.records is not None:
            self._mark = await self._moved_mark(retention.records)
        shortest = min(length for length in (retention.records, retention.outputs) if length is not None)
        # In this order: what is recorded from now on lists its day first, which changes the ETag that was read.
        days = await self._app.history.past_days(f"{self._app.storage_now() - shortest:%Y%m%d}")
        self._with_events = await self._app.outbox.days()
        # Where nobody wants events, nothing sends them: they hold nothing up.
        unsent = self._with_events if self._app.queue is not None else {}
        busy = {*await self._app.table.days(), *unsent}
        for day in self._app.turns.next("retention", [one for one in days if one.day not in busy]):
            self._budget.check()
            try:
                await self._forget_day(day)
            except ServiceError as exc:
                # The others go on.
                self.leave(f"Day {day.day} is not forgotten", exc)

    def leave(self, what: str, error: ServiceError) -> None:
        """Leave it for the next tick."""
        logger.warning("%s: %s", what, error)
        self.report.is_complete = False

    async def _moved_mark(self, length: timedelta) -> RetentionMark:
        """Move the mark, once a day: what was left alone for a day is removable."""
        mark, now = await self._app.retention.mark(), self._app.storage_now()
        is_settled = mark.left_alone_since is None or now - mark.left_alone_since >= _SETTLED_AFTER
        wanted = await self._wanted_mark(length) if is_settled and not self._is_dry_run else None
        if wanted is None or wanted <= (mark.left_alone or _BEGINNING):
            return replace(mark, removable=mark.left_alone) if is_settled else mark
        moved = replace(mark, removable=mark.left_alone, left_alone=wanted, left_alone_since=now)
        return await self._app.retention.move(moved) or mark

    async def _wanted_mark(self, length: timedelta) -> datetime | None:
        """Return until when files can be left alone: none that a complete sweep has not seen, none of the last day."""
        position = await self._app.sweep_checkpoint.load()
        if position.container != self._app.settings.input_container or position.swept_until is None:
            return None
        return min(self._app.storage_now() - max(length, RECENT), position.swept_until)

    async def _forget_day(self, day: PastDay) -> None:
        known = await self._with_last_end(day)
        if known is None:
            return
        retention = self._app.settings.retention
        if self._is_over(known, retention.outputs) and not known.is_without_outputs:
            self.report.outputs_of.append(day.day)
            known = known if self._is_dry_run else await self._without_outputs(known)
        is_next = known is not None and (retention.outputs is None or known.is_without_outputs or self._is_dry_run)
        if known is None or retention.records is None or not is_next:
            return
        if self._is_over(known, retention.records) and self._is_removable(known):
            self.report.records_of.append(day.day)
            if not self._is_dry_run:
                await self._remove_records(known, self._app.storage_now() - retention.records)

    def _is_over(self, day: PastDay, length: timedelta | None) -> bool:
        return length is not None and day.last_end is not None and day.last_end <= self._app.storage_now() - length

    def _is_removable(self, day: PastDay) -> bool:
        """Return whether all files of the day are older than the mark."""
        end = datetime.strptime(day.day, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
        return self._mark.removable is not None and end <= self._mark.removable

    async def _with_last_end(self, day: PastDay) -> PastDay | None:
        """Return the day with when its last task ended, noted for the next ticks; None if one is open."""
        if day.last_end is not None:
            return day
        last = _BEGINNING.replace(year=1601)
        async for page in self._app.retention.finals(day.day):
            if page is None:
                return None
            last = max([last, *(record.closed_at for record in page)])
            self._budget.check()
        return replace(day, last_end=last) if self._is_dry_run else await self._app.history.note(day, last_end=last)

    async def _without_outputs(self, day: PastDay) -> PastDay | None:
        """Remove the outputs of the day; a tick that ends before goes on where the last whole page ended."""
        place: Place | None = Place(day=day.day, after=day.outputs_removed_to)
        known: PastDay | None = day
        while place is not None and known is not None:
            page = await self._app.listing.records(place, RecordFilter(), _PER_PAGE)
            await self._remove_outputs(page.found)
            if page.found:
                row = table_keys(page.found[-1].task_id).row
                known = await self._app.history.note(known, outputs_removed_to=row)
            place = page.next
            if place is not None:
                self._budget.check()
        return await self._app.history.note(known, is_without_outputs=True) if known is not None else None

    async def _remove_outputs(self, records: Sequence[TaskRecord]) -> None:
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def remove(record: TaskRecord) -> None:
            async with at_once:
                for name in await self._outputs_of(record):
                    await self._delete(name)

        # All are tried: what is removed stays so, and costs a call that finds nothing the next time.
        for result in await asyncio.gather(*map(remove, records), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _outputs_of(self, record: TaskRecord) -> list[str]:
        """Return the names that the app or its node gave to a task's output; nothing else lies under them."""
        if record.submitted_at is None and record.started_at is None and record.stdout is None:
            return []
        printed = {output_name(record.blob, record.task_id, file) for file in (STDOUT, STDERR)}
        names = sorted(printed | {name for name in (record.stdout, record.stderr) if name is not None})
        return names if record.files is None else [*names, *await self._uploaded(record.files)]

    async def _uploaded(self, folder: str) -> list[str]:
        names: list[str] = []
        continuation: str | None = None
        while True:
            page = await self._app.outputs.list_page(folder, continuation)
            # What has a task's id in its name is the output of a file that was itself called like an output.
            names += [f"{folder}{one.name}" for one in page.files if not any(map(is_task_id, one.name.split("/")))]
            continuation = page.continuation
            if continuation is None:
                return names

    async def _delete(self, name: str) -> None:
        try:
            await self._app.outputs.delete(name)
        except (Conflict, Refused) as exc:
            # Leased, or kept by a policy of the container: its owner's business.
            logger.warning("An output stays: %s", exc)

    async def _remove_records(self, day: PastDay, before: datetime) -> None:
        """Remove the records of the day that ended before a moment, and what is kept beside them if that was all."""
        if self._app.queue is not None and await self._app.outbox.list_if_unsent(day.day):
            # An earlier release has left them behind: they are sent first.
            return
        async for page in self._app.retention.finals(day.day):
            if page is None:
                return
            # One that has run again meanwhile has ended just now.
            await self._app.retention.remove(day.day, [record for record in page if record.closed_at <= before])
            self._budget.check()
        unsent = await self._app.retention.remove_unsent(day.day)
        if unsent is not None and await self._app.history.remove(day):
            await self._app.statistics.remove_day(day.day)
            logger.info("The records of %s are removed: the last task ended at %s.", day.day, day.last_end)
        if unsent:
            logger.warning("%d events of %s were never sent, and are removed: no queue is set.", unsent, day.day)
        if unsent is not None and day.day in self._with_events:
            await self._app.outbox.forget_day(day.day, self._with_events[day.day])
