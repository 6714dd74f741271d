"""Final states are announced: each becomes an event on the queue that the settings name, at least once.

    close ──▶ record, and its end in the outbox ──send──▶ queue
              one transaction                    ◀─remove─┘

Who closes records sends their events at once, many at the same time; what is left behind when a process ends or the
queue takes nothing is sent by the reconciling tick. A process that ends between the two calls leaves an event that is
sent twice, with the same id. The queue holds up nothing: what it does not take within a few seconds is left.

Cost: a call to the queue for each event, and one to the table for a hundred.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from batch_core.app import App
from batch_core.cloud_event import cloud_event
from batch_core.errors import OutOfTime, RecordNotFound, Refused, ServiceError
from batch_core.naming import attempt_of
from batch_core.services.storage_queue import StorageQueue
from batch_core.state.outbox import TaskEnd
from batch_core.time_budget import TimeBudget

logger = logging.getLogger(__name__)

#: Events that are sent before their ends are removed from the outbox, in one transaction; and at the same time.
_TOGETHER: Final = 100
_AT_ONCE: Final = 16
#: For how long these are waited for, in seconds: by who has other work to do, and by who sends what was left behind.
_PROMPT_SECONDS: Final = 5.0
_PATIENT_SECONDS: Final = 20.0
#: Who closed a record sends its event within the first; what is older than the second has been left behind. In between
#: one may still be on its way, and would be sent twice.
_PROMPT: Final = timedelta(minutes=1)
LEFT_BEHIND: Final = timedelta(minutes=3)
#: Messages that the queue refuses, each for what it is, before all of them are left.
_MOST_REFUSED: Final = 20
#: Days that are asked for their oldest unsent event.
_MOST_DAYS: Final = 3


@dataclass(kw_only=True)
class Announced:
    """What became of events that were left behind."""

    sent: int = 0
    is_complete: bool = True


async def announce(app: App) -> None:
    """Send the events of what this process has just closed. Raises nothing: what cannot be sent now is left."""
    if app.queue is None:
        return
    young = [end for end in app.just_ended.take() if app.now() - end.closed_at <= _PROMPT]
    if young and not app.just_ended.is_resting:
        await _send_all(app, app.queue, young)


async def announce_left(app: App, days: Sequence[str], budget: TimeBudget) -> Announced:
    """Send the events that were left behind, of these days and of those that are listed for it.

    Raises the `ServiceError` that fits where the table fails.
    """
    done = Announced()
    if app.queue is None:
        return done
    listed = await app.outbox.days()
    try:
        for day in app.turns.next("events", sorted({*days, *listed})):
            if await _announce_day(app, app.queue, day, done, budget) and day in listed:
                await app.outbox.forget_day(day, listed[day])
    except OutOfTime:
        done.is_complete = False
    return done


async def oldest_unsent(app: App) -> datetime | None:
    """Return since when an event waits to be sent, as far as the oldest days say; None: none does.

    Up to five calls. Raises the `ServiceError` that fits.
    """
    days = sorted({*await app.outbox.days(), *await app.table.days()})
    for day in days[:_MOST_DAYS]:
        async for page in app.outbox.unsent(day):
            if page:
                return min(end.closed_at for end in page)
            break
    return None


async def _announce_day(app: App, queue: StorageQueue, day: str, done: Announced, budget: TimeBudget) -> bool:
    """Send the day's events; returns whether none is left. Raises `OutOfTime` when the queue or the time is spent."""
    is_empty = True
    async for page in app.outbox.unsent(day):
        old = [end for end in page if app.now() - end.closed_at >= LEFT_BEHIND]
        is_empty = is_empty and len(old) == len(page)
        for some in batched(old, _TOGETHER, strict=False):
            budget.check()
            sent = await _send(app, queue, some, _PATIENT_SECONDS)
            done.sent += sent
            is_empty = is_empty and sent == len(some)
            if app.just_ended.trouble:
                raise OutOfTime("the queue takes no events now")
    return is_empty


async def _send_all(app: App, queue: StorageQueue, ends: Sequence[TaskEnd]) -> None:
    for some in batched(ends, _TOGETHER, strict=False):
        try:
            await _send(app, queue, some, _PROMPT_SECONDS)
        except ServiceError as exc:
            logger.warning("Events are sent that the table still lists: they are sent once more. %s", exc)
        if app.just_ended.trouble:
            return


async def _send(app: App, queue: StorageQueue, ends: Sequence[TaskEnd], seconds: float) -> int:
    """Send these events within so many seconds, and remove those that were sent from the outbox; returns how many.

    Raises the `ServiceError` that fits where they cannot be removed.
    """
    sending = _Sending(app, queue)
    try:
        async with asyncio.timeout(seconds):
            await sending.send(ends)
    except TimeoutError:
        sending.trouble = f"queue {queue.name} did not take {len(ends)} events within {seconds:g} seconds"
    if sending.trouble:
        logger.warning("Events are not sent now, and go on with a later tick: %s", sending.trouble)
    app.just_ended.note_trouble(sending.trouble)
    await app.outbox.remove(sending.sent)
    return len(sending.sent)


class _Sending:
    """Sends events until one shows that the queue takes none now."""

    def __init__(self, app: App, queue: StorageQueue) -> None:
        self._app = app
        self._queue = queue
        self._refused = 0
        self.sent: list[TaskEnd] = []
        self.trouble: str | None = None

    async def send(self, ends: Sequence[TaskEnd]) -> None:
        # The first alone: a queue that takes nothing is asked once.
        await self._send_from(iter(ends[:1]))
        left = iter(ends[1:])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(ends) - 1)):
                group.create_task(self._send_from(left))

    async def _send_from(self, left: Iterator[TaskEnd]) -> None:
        """Send what others have not taken yet; one after the other, beside those that do the same."""
        while self.trouble is None and (end := next(left, None)) is not None:
            try:
                await self._queue.send(await self._message(end))
                self.sent.append(end)
            except (Refused, ValueError) as exc:
                # Also of an end that makes no event, such as one with a task id that is none: the others are sent.
                self._refused += 1
                logger.error("The event of task %s is refused: %s", end.task_id, exc)  # noqa: TRY400 - an answer
                self.trouble = str(exc) if self._refused > _MOST_REFUSED else None
            except ServiceError as exc:
                self.trouble = str(exc)

    async def _message(self, end: TaskEnd) -> str:
        whole = await self._completed(end)
        return cloud_event(
            whole,
            source=self._app.mark,
            attempt=attempt_of(end.task_id),
            output_container=self._app.settings.output_container,
        )

    async def _completed(self, end: TaskEnd) -> TaskEnd:
        """Return the end with what the index of an earlier release did not say, which its record does."""
        if end.container is not None and end.blob is not None:
            return end
        try:
            record = (await self._app.table.get(end.task_id)).record
        except RecordNotFound:
            return end
        return replace(end, container=record.container, blob=record.blob, files=record.files)
