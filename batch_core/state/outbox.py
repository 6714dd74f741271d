"""Final states that are to be announced: each has an entity beside its record until its event is sent.

    PartitionKey   RowKey                what
    20261123       event-918955-report…  an end that is not announced yet, written with the final state itself
    unsent         20261123              a day without open work that has some

The days with open work are looked through anyway: only a day that is about to be forgotten is listed here. So those who
read open work never pay for events that nobody takes.
"""

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from azure.core import MatchConditions
from azure.core.async_paging import AsyncItemPaged
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict, Missing
from batch_core.naming import EVENT_PREFIX, FILES_FOLDER, output_name, table_keys
from batch_core.sdk.paging import each_item, each_page
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.changes import Closing
from batch_core.state.entities import Entity, bounded_values, field_value, readable
from batch_core.state.record import TaskState
from batch_core.state.transactions import Operation, apply_units

_DAYS: Final = "unsent"
#: How long the queue is left alone after trouble by those who have just closed a record, in seconds.
_REST_SECONDS: Final = 60.0
#: The character after the prefix's last.
_BEYOND: Final = f"{EVENT_PREFIX[:-1]}{chr(ord(EVENT_PREFIX[-1]) + 1)}"


@dataclass(frozen=True, kw_only=True)
class TaskEnd:
    """How a task ended, as its event says. Times are aware and UTC; None is what does not apply or is not known."""

    task_id: str
    state: TaskState
    closed_at: datetime
    #: Neither is None, but where a release that did not note it has recorded the task.
    container: str | None = None
    blob: str | None = None
    route: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    failure_category: str | None = None
    failure_code: str | None = None
    recorded_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node_id: str | None = None
    stdout: str | None = None
    stdout_size: int | None = None
    stderr: str | None = None
    stderr_size: int | None = None
    files: str | None = None

    @classmethod
    def of(cls, closing: Closing, closed_at: datetime) -> "TaskEnd":
        """Return the end that a record gets at this moment."""
        known = {f.name for f in fields(cls)}
        outcome = {name: value for name, value in vars(closing.outcome).items() if name in known}
        files = f"{output_name(closing.blob, closing.task_id, FILES_FOLDER)}/" if closing.blob else None
        return cls(
            **outcome,
            task_id=closing.task_id,
            closed_at=closed_at,
            container=closing.container,
            blob=closing.blob,
            route=closing.route,
            recorded_at=closing.recorded_at,
            files=files if closing.has_files else None,
        )


class Outbox:
    """The ends in the table that are not announced yet. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def unsent(self, day: str, most: int = 1000) -> AsyncIterator[list[TaskEnd]]:
        """List the ends of a day, in pages of up to so many."""
        with translating(f"reading the unsent events of {day}"):
            async for page in each_page(_listed(self._client, day, most)):
                yield readable(page, _to_end)

    async def remove(self, ends: Sequence[TaskEnd]) -> None:
        """Remove ends that are announced; one call for 100 of a day. Those that are gone already are fine."""
        await apply_units(self._client, [[("delete", _key(end.task_id))] for end in ends])

    async def days(self) -> dict[str, str]:
        """Return the days without open work that have ends, the oldest first, each with the ETag of its entry."""
        with translating("listing days with unsent events"):
            listed = self._client.query_entities("PartitionKey eq @days", parameters={"days": _DAYS})
            return {str(one["RowKey"]): str(one.metadata["etag"]) async for one in each_item(listed)}

    async def list_if_unsent(self, day: str) -> bool:
        """List a day if it has ends that no list leads to; returns whether it has."""
        return await list_if_unsent(self._client, day)

    async def forget_day(self, day: str, etag: str) -> None:
        """Take a day off the list, unless it was listed again since its ETag was read."""
        try:
            with translating(f"forgetting the unsent events of {day}"):
                entry = {"PartitionKey": _DAYS, "RowKey": day}
                await self._client.delete_entity(entry, etag=etag, match_condition=MatchConditions.IfNotModified)
        except Conflict:
            return
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise


class JustEnded:
    """What this process has closed and not announced yet; and whether the queue took anything the last time."""

    def __init__(self) -> None:
        self._ends: list[TaskEnd] = []
        #: Why nothing could be sent the last time, and when that was, in seconds of `time.monotonic`.
        self._trouble: tuple[str, float] | None = None

    def note(self, ends: Iterable[TaskEnd]) -> None:
        """Let ends wait that have just been written."""
        self._ends += ends

    def take(self) -> list[TaskEnd]:
        """Return what waits; from now on nothing does."""
        taken, self._ends = self._ends, []
        return taken

    @property
    def trouble(self) -> str | None:
        """Why nothing could be sent the last time; None: it could."""
        return self._trouble[0] if self._trouble else None

    @property
    def is_resting(self) -> bool:
        """Whether the queue was in trouble a moment ago: nobody who has just closed a record waits for it again."""
        return self._trouble is not None and time.monotonic() - self._trouble[1] < _REST_SECONDS

    def note_trouble(self, trouble: str | None) -> None:
        """Note why nothing could be sent, or that it could."""
        self._trouble = (trouble, time.monotonic()) if trouble else None


async def list_if_unsent(client: TableClient, day: str) -> bool:
    """List a day among those with unsent events if it has any; returns whether it has. One look.

    Raises the `ServiceError` that fits.
    """
    with translating(f"looking for unsent events of {day}"):
        if not [one async for one in await anext(_listed(client, day, 1).by_page())]:
            return False
        # Its ETag changes: who is about to take the day off the list finds that out.
        await client.upsert_entity({"PartitionKey": _DAYS, "RowKey": day})
        return True


def announcement(end: TaskEnd) -> Operation:
    """Return what notes in a final state's transaction that it is to be announced.

    It cannot fail: whatever an earlier life of the table has left there, the final state is written.
    """
    return ("upsert", end_entity(end), {"mode": UpdateMode.REPLACE})


def end_entity(end: TaskEnd) -> Entity:
    return _key(end.task_id) | bounded_values(vars(end))


def _to_end(entity: TableEntity) -> TaskEnd:
    found = {f.name: field_value(entity.get(f.name)) for f in fields(TaskEnd)}
    values = {name: value for name, value in found.items() if value is not None}
    return checked(TaskEnd, values | {"state": TaskState(values["state"])})


def _listed(client: TableClient, day: str, most: int) -> AsyncItemPaged[TableEntity]:
    query = "PartitionKey eq @day and RowKey ge @first and RowKey lt @beyond"
    values = {"day": day, "first": EVENT_PREFIX, "beyond": _BEYOND}
    return client.query_entities(query, parameters=values, results_per_page=most)


def _key(task_id: str) -> Entity:
    keys = table_keys(task_id)
    return {"PartitionKey": keys.partition, "RowKey": keys.event_row}
