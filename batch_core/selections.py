"""Many tasks are cancelled or retried at once: counted first, begun by the request, and carried out by the ticks.

A selection is noted before anything is done, and how far it has come after each page: so an interrupted one goes on
where it was. One instance at a time is at it, so that each task is counted once; should two be, nothing is done twice,
since to cancel or to retry a task twice does what once does.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from batch_core.app import App
from batch_core.cancel import cancel
from batch_core.errors import (
    BlobNotFound,
    Conflict,
    InvalidRequest,
    NotAFile,
    NotNow,
    RecordNotFound,
    Refused,
    ServiceError,
    TooManyAttempts,
)
from batch_core.listing import TaskQuery, pages
from batch_core.retry import retry
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import OPEN_STATES, TaskRecord
from batch_core.state.selections import MOST, Action, Selection, new_selection_id
from batch_core.time_budget import TimeBudget

logger = logging.getLogger(__name__)

#: Tasks of a page, and those that are done at the same time.
_PER_PAGE: Final = 100
_AT_ONCE: Final = 8
#: How long a request goes on with what it asks for; the ticks do the rest.
_AT_FIRST: Final = timedelta(seconds=10)
#: For how long others leave it to an instance that has said nothing more: longer than a page takes.
_HOLD: Final = timedelta(seconds=30)
#: Replies name whole seconds: clocks that differ by less than two show the same.
_CLOCK_READING: Final = timedelta(seconds=2)
#: What concerns one task alone: it holds up none of the others.
_ITS_OWN: Final = (BlobNotFound, NotAFile, NotNow, RecordNotFound, TooManyAttempts, Refused, Conflict)
#: Tasks that a count looks at; of open work, 4,000 are reached.
_MOST_COUNTED: Final = 5000
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be done to which tasks: those of these states, and of a day, a route, a name that begins so."""

    action: Action
    filter: RecordFilter
    day: str | None = None

    def check(self) -> None:
        """Raise `InvalidRequest` where the states do not go with what is to be done."""
        states = self.filter.states
        if not states:
            example = "queued,submitted" if self.action is Action.CANCEL else "failed"
            raise InvalidRequest([f"'state' is missing: say which tasks are meant, such as {example}"])
        if self.action is Action.CANCEL and not states <= OPEN_STATES:
            raise InvalidRequest(["only queued and submitted tasks can be cancelled"])
        if self.action is Action.RETRY and states & OPEN_STATES:
            raise InvalidRequest(["queued and submitted tasks have not ended: they cannot be retried"])


async def count(app: App, wanted: Wanted) -> tuple[int, bool]:
    """Return how many tasks are meant, and whether these are all: up to 5,000 are looked at, in at most nine calls.

    Raises `InvalidRequest`, and the `ServiceError` that fits.
    """
    wanted.check()
    query = TaskQuery(wanted=wanted.filter, day=wanted.day, limit=_MOST_COUNTED)
    records, following = await _page(app, query, None)
    return sum(_is_meant(wanted.action, record) for record in records), following is None


async def ask(app: App, wanted: Wanted, asked_by: str | None = None) -> Selection:
    """Note what is asked for, and begin with it: ten seconds of it, the ticks do the rest. Raises as `note` does."""
    return await _carry_out(app, await note(app, wanted, asked_by), TimeBudget(_AT_FIRST))


async def note(app: App, wanted: Wanted, asked_by: str | None = None) -> Selection:
    """Note what is asked for, so that the ticks do it if the caller does not.

    Raises `InvalidRequest`, `NotNow` while too many are under way, and the `ServiceError` that fits.
    """
    wanted.check()
    under_way = await app.selections.under_way()
    if len(under_way) >= MOST // 2:
        raise NotNow(f"{len(under_way)} selections are under way: wait until some have been carried out")
    now, by_service = app.now(), app.storage_now()
    # By the service's clock where this one is wrong: it may be a person's machine, and records are the app's.
    asked_at = by_service if abs(now - by_service) > _CLOCK_READING else now
    selection = Selection(
        selection_id=new_selection_id(asked_at),
        action=wanted.action,
        wanted=wanted.filter,
        day=wanted.day,
        asked_at=asked_at,
        asked_by=asked_by,
        held_until=now + _HOLD,
    )
    return await app.selections.add(selection)


async def carry_out_all(app: App, budget: TimeBudget) -> int:
    """Go on with the selections that are under way, the oldest first; return how many tasks were done.

    Raises the `ServiceError` that fits, and `OutOfTime`.
    """
    done = 0
    for selection in reversed(await app.selections.under_way()):
        is_free = selection.held_until is None or selection.held_until <= app.now()
        if is_free and (held := await _held(app, selection)) is not None:
            done += (await _carry_out(app, held, budget)).done - held.done
            budget.check()
    return done


async def _held(app: App, selection: Selection) -> Selection | None:
    """Say that this instance is at it; None if another one is."""
    return await app.selections.save(replace(selection, held_until=app.now() + _HOLD))


async def _carry_out(app: App, selection: Selection, budget: TimeBudget) -> Selection:
    """Go on with a selection until it or the time is at its end, or a service or another instance is in the way."""
    steps = carried_out(app, selection)
    try:
        while not budget.is_spent and (further := await anext(steps, None)) is not None:
            selection = further
    except ServiceError as exc:
        logger.warning("Selection %s goes on later: %s", selection.selection_id, exc)
        selection = replace(selection, refusal=f"it goes on later: {exc}")
    if selection.finished_at is None:
        # The next tick need not wait.
        with suppress(ServiceError):
            selection = await app.selections.save(replace(selection, held_until=None)) or selection
    return selection


async def carried_out(app: App, selection: Selection) -> AsyncIterator[Selection]:
    """Carry a selection out, and give it as it is after each page; it ends early if another instance is at it.

    Raises the `ServiceError` that fits: what was given is done all the same.
    """
    query = TaskQuery(wanted=selection.wanted, day=selection.day, limit=_PER_PAGE)
    is_first = True
    while selection.finished_at is None:
        records, following = await _page(app, query, selection.place)
        records = [record for record in records if record.recorded_at < selection.asked_at]
        # An earlier try may have stopped within this page, before it noted what it had done.
        before = await _done_since(app, selection, records) if is_first else 0
        is_first = False
        meant = [record for record in records if _is_meant(selection.action, record)]
        refusals = await _do(app, selection, meant)
        further = replace(
            selection,
            place=following,
            done=selection.done + before + len(meant) - len(refusals),
            refused=selection.refused + len(refusals),
            # Without a refusal it says why it was to go on later, which it has.
            refusal=refusals[-1] if refusals else selection.refusal if selection.refused else None,
            finished_at=app.now() if following is None else None,
            held_until=app.now() + _HOLD,
        )
        saved = await app.selections.save(further)
        if saved is None:
            break
        selection = saved
        yield selection


async def _page(app: App, query: TaskQuery, place: Place | None) -> tuple[list[TaskRecord], Place | None]:
    found: list[TaskRecord] = []
    further: Place | None = None
    async for records, following in pages(app, query, place):
        found += records
        further = following
    return found, further


async def _done_since(app: App, selection: Selection, records: Sequence[TaskRecord]) -> int:
    """Count the records that have been cancelled or retried since it was asked for."""
    if selection.action is Action.CANCEL:
        moments = [record.cancel_requested_at for record in records]
    else:
        attempts = await app.table.records_among(record.retried_as for record in records if record.retried_as)
        moments = [one.record.recorded_at for one in attempts.values()]
    return sum(moment >= selection.asked_at for moment in moments if moment is not None)


def _is_meant(action: Action, record: TaskRecord) -> bool:
    """Return whether there is something to do: it has not been asked for already."""
    return (record.cancel_requested_at if action is Action.CANCEL else record.retried_as) is None


async def _do(app: App, selection: Selection, records: Sequence[TaskRecord]) -> list[str]:
    """Cancel or retry the tasks; return why some of them cannot be. Raises the first `ServiceError`."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def do(record: TaskRecord) -> str | None:
        async with at_once:
            try:
                if selection.action is Action.CANCEL:
                    await cancel(app, record.task_id, selection.asked_by)
                else:
                    await retry(app, record.task_id, selection.asked_by)
            except _ITS_OWN as exc:
                return f"{record.task_id}: {exc}"
        return None

    # All of them are tried: what was done stays done, and is counted and passed over the next time.
    results = await asyncio.gather(*map(do, records), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [why for why in results if isinstance(why, str)]
