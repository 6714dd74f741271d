"""The state table: what is known of every file, and changes that no two callers can both make.

- A record is created together with its index entity; a second creation of the same task fails.
- A change that leaves a record open is accepted only on the ETag that was read.
- A final state is written in one transaction with the removal of the index entity: the first removal decides. Where
  events are wanted, the same transaction notes that the end is to be announced.
- A record is created only in a day that is noted, which the same transaction makes sure of: nothing that a process
  remembers can differ from the table, not even if that is deleted and created again.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.errors import Conflict, Missing, RecordNotFound, ServiceError
from batch_core.naming import EVENT_PREFIX, OPEN_PREFIX, BlobVersion, attempt_rows, is_task_id, table_keys
from batch_core.sdk.paging import each_item, each_page
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.entities import (
    DAYS,
    NOTED,
    bounded,
    change_entity,
    day_entity,
    field_value,
    index_entity,
    noted_entity,
    open_entity,
    open_key,
    outcome_entity,
    readable,
    reason_entity,
    record_entity,
    to_open_task,
    to_record,
)
from batch_core.state.history import list_day
from batch_core.state.index import Marks, OpenTask, index_changes, marked
from batch_core.state.outbox import JustEnded, TaskEnd, announcement, list_if_unsent
from batch_core.state.record import TaskRecord, TaskState
from batch_core.state.tally import ClosingKey, InDoubt, Tally
from batch_core.state.transactions import Guard, Operation, Unit, apply_units, create_unless_exists

#: A day without open work is forgotten when no record was written in it for so long: to note it again costs some calls.
DAY_PATIENCE: Final = timedelta(hours=2)
#: The property of a record that names the very closing that wrote its final state.
_CLOSING: Final = "closing"

logger = logging.getLogger(__name__)


class StateTable:
    """The records and the index of open work. Methods that take many use few calls.

    All raise the `ServiceError` that fits.
    """

    def __init__(self, client: TableClient, tally: Tally, just_ended: JustEnded | None = None) -> None:
        """`tally` counts what is closed here; `just_ended` gets the ends to announce, None where no event is wanted."""
        self._client = client
        self._tally = tally
        self._just_ended = just_ended
        self._in_doubt = InDoubt()
        self._deletable: list[Closing] = []
        self._noted = Guard(
            operation=lambda day: ("update", noted_entity(day), {"mode": UpdateMode.MERGE}), restore=self.note_day
        )

    async def insert(self, records: Sequence[TaskRecord]) -> list[Stored | None]:
        """Create the records with their index entities; None for each that was there already."""
        units: list[Unit] = [[("create", record_entity(r)), ("create", open_entity(r))] for r in records]
        etags = await apply_units(self._client, units, self._noted)
        return [
            None if etag is None else Stored(record=record, etag=etag)
            for record, etag in zip(records, etags, strict=True)
        ]

    async def insert_after(self, record: TaskRecord, change: Change) -> Stored | None:
        """Create a record and change an earlier one of the same day with it, both or neither.

        None if the record was there already, or the earlier one was modified since it was read.
        """
        unit: Unit = [("create", record_entity(record)), ("create", open_entity(record)), *_change_unit(change)]
        (etag,) = await apply_units(self._client, [unit], self._noted)
        return None if etag is None else Stored(record=record, etag=etag)

    async def get(self, task_id: str) -> Stored:
        """Return the record of this task; raises `RecordNotFound`."""
        if not is_task_id(task_id):
            raise RecordNotFound(f"{task_id[:100]!r} is not a task id of this app")
        keys = table_keys(task_id)
        try:
            with translating(f"reading the record of task {task_id}"):
                return to_record(await self._client.get_entity(keys.partition, keys.row))
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
            raise RecordNotFound(f"no task {task_id!r} is recorded") from exc

    async def update(self, changes: Sequence[Change]) -> list[Stored | None]:
        """Change records that stay open; None for each that was modified since it was read, or closed.

        The index follows in the same transaction where the change means something for it.
        """
        etags = await apply_units(self._client, [_change_unit(change) for change in changes])
        return [
            None if etag is None else Stored(record=change.record, etag=etag)
            for change, etag in zip(changes, etags, strict=True)
        ]

    async def close(self, closings: Sequence[Closing], now: datetime) -> list[bool]:
        """Write final states; False for each task that had its final state already.

        A reply may be lost after the table has written: the SDK asks again and finds what it has done itself, or the
        call raises. Only then are records read, here or by `settle`, to find what this very call has closed.
        """
        closing_id = uuid4().hex
        unknown: Iterable[Closing] = closings
        try:
            etags = await apply_units(self._client, [self._closing_unit(one, now, closing_id) for one in closings])
            is_first = [etag is not None for etag in etags]
            self._note_ends([one for one, is_so in zip(closings, is_first, strict=True) if is_so], now)
            unknown = [one for one, is_so in zip(closings, is_first, strict=True) if not is_so]
        finally:
            # Also where the call raises, or its tick is stopped.
            self._in_doubt.add(unknown, closing_id, now)
        own = set() if all(is_first) else await self._settled_or_left()
        return [is_so or (one.task_id, closing_id) in own for one, is_so in zip(closings, is_first, strict=True)]

    async def settle(self) -> None:
        """Count, log and announce what `close` has written without seeing the reply; no call where it saw all of them.

        What is not written is still open: another tick closes it. Raises the `ServiceError` that fits.
        """
        if self._in_doubt:
            await self._settle()

    async def _settled_or_left(self) -> set[ClosingKey]:
        try:
            return await self._settle()
        except ServiceError as exc:
            logger.info("What has been closed by this process is found out later: %s", exc)
            return set()

    async def _settle(self) -> set[ClosingKey]:
        """Return which closings in doubt are written, and note their ends. One query for each day."""
        asked = self._in_doubt.keys()
        rows = [(keys.partition, keys.row) for keys in (table_keys(task_id) for task_id, _ in asked)]
        found = self._between(rows, select=["task_id", "closed_at", _CLOSING])
        doubtful = {task_id for task_id, _ in asked}
        ended = {
            task_id: str(one.get(_CLOSING))
            async for one in found
            if (task_id := str(one.get("task_id"))) in doubtful and one.get("closed_at")
        }
        for closing, closed_at in self._in_doubt.decide(asked, ended):
            self._note_ends([closing], closed_at)
        return set(asked) & set(ended.items())

    def take_deletable(self) -> list[Closing]:
        """Return, once, what this process has closed as succeeded and whose file is to be deleted now."""
        taken, self._deletable = self._deletable, []
        return taken

    def _note_ends(self, closed: Sequence[Closing], now: datetime) -> None:
        succeeded = [one for one in closed if one.outcome.state is TaskState.SUCCEEDED]
        self._deletable += [one for one in succeeded if one.etag_to_delete is not None]
        self._tally.note(closed, now)
        for closing in closed:
            _log_end(closing)
        if self._just_ended is not None:
            self._just_ended.note(TaskEnd.of(closing, now) for closing in closed)

    def _closing_unit(self, closing: Closing, now: datetime, closing_id: str) -> Unit:
        entity = outcome_entity(closing.task_id, closing.outcome, now) | {_CLOSING: closing_id}
        unit: Unit = [("update", entity, {"mode": UpdateMode.MERGE}), ("delete", open_key(closing.task_id))]
        return unit if self._just_ended is None else [*unit, announcement(TaskEnd.of(closing, now))]

    async def mark(self, tasks: Sequence[OpenTask], marks: Marks) -> None:
        """Mark the index entities of those of the tasks that are still open; their records stay as they are."""
        await apply_units(self._client, [[_index_update(task.task_id, marked(marks))] for task in tasks])

    async def explain(self, tasks: Sequence[OpenTask], reason: str) -> None:
        """Write why open tasks wait to their records, unless that is what their index entities say already."""
        reason = bounded(reason)
        units: list[Unit] = [
            [
                ("update", reason_entity(task.task_id, reason), {"mode": UpdateMode.MERGE}),
                _index_update(task.task_id, marked(Marks(explained=reason))),
            ]
            for task in tasks
            if task.explained != reason
        ]
        await apply_units(self._client, units)

    async def open_among(self, task_ids: Iterable[str]) -> dict[str, OpenTask]:
        """Return those of the tasks that are not final yet.

        One query for each day among them, over the open work between the oldest and the newest of that day: tasks run
        about in the order of their submission, so that there is little else in between.
        """
        wanted = {task_id for task_id in task_ids if is_task_id(task_id)}
        rows = {(table_keys(task_id).partition, table_keys(task_id).open_row) for task_id in wanted}
        found = readable(await self._at(rows), to_open_task)
        return {task.task_id: task for task in found if task.task_id in wanted}

    async def records_among(self, task_ids: Iterable[str]) -> dict[str, Stored]:
        """Return the records of those of the tasks that are recorded, in the same way."""
        wanted = {task_id for task_id in task_ids if is_task_id(task_id)}
        rows = {(table_keys(task_id).partition, table_keys(task_id).row) for task_id in wanted}
        found = readable(await self._at(rows), to_record)
        return {stored.record.task_id: stored for stored in found if stored.record.task_id in wanted}

    async def recorded_among(self, task_ids: Iterable[str]) -> set[str]:
        """Return which of the tasks are recorded, in the same way."""
        wanted = {task_id for task_id in task_ids if is_task_id(task_id)}
        rows = ((table_keys(task_id).partition, table_keys(task_id).row) for task_id in wanted)
        found = self._between(rows, select=["task_id"])
        return {task_id async for entity in found if (task_id := str(entity.get("task_id"))) in wanted}

    async def newest_attempt(self, version: BlobVersion) -> int:
        """Return the highest attempt at this version that is recorded, 0 if none is: one query, whatever is missing."""
        first, last = attempt_rows(version)
        # By ETag and not by name: a name of 1,024 characters may be too long for a URL.
        query = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and blob_etag eq @etag"
        values = {"partition": first.partition, "first": first.row, "last": last, "etag": version.etag.strip('"')}
        fields = ["attempt", "blob", "container"]
        with translating(f"looking for attempts at blob {version.name!r}"):
            listed = each_item(self._client.query_entities(query, parameters=values, select=fields))
            blob = (version.name, version.container)
            found = [one["attempt"] async for one in listed if (one["blob"], one["container"]) == blob]
            return max(map(int, map(field_value, found)), default=0)

    async def days(self) -> list[str]:
        """List the days that may have open work, the oldest first."""
        with translating("listing days in the table"):
            entities = self._client.query_entities("PartitionKey eq @days", parameters={"days": DAYS})
            return [entity["RowKey"] async for entity in each_item(entities)]

    async def open_work(self, day: str) -> AsyncIterator[list[OpenTask]]:
        """List the open tasks of a day, in pages of up to 1,000."""
        listed = self._client.query_entities(
            "PartitionKey eq @day and RowKey ge @first", parameters={"day": day, "first": OPEN_PREFIX}
        )
        with translating(f"reading the open work of {day}"):
            async for page in each_page(listed):
                yield readable(page, to_open_task)

    async def unnoted_days(self) -> list[str]:
        """Return days with open work or unsent events that are not listed: one or two queries for each day."""
        listed, lost, day = set(await self.days()), [], ""
        while day := await self.day_after(day):
            if day not in listed and await self._has_unfinished(day):
                lost.append(day)
        return lost

    async def _has_unfinished(self, day: str) -> bool:
        with translating(f"looking for open work and unsent events of {day}"):
            found = self._client.query_entities(
                "PartitionKey eq @day and RowKey ge @first and RowKey ne @noted",
                parameters={"day": day, "first": EVENT_PREFIX, "noted": NOTED},
                select=["RowKey"],
                results_per_page=1,
            )
            return await anext(each_item(found), None) is not None

    async def day_after(self, day: str) -> str:
        """Return the next day that has records; empty if there is none."""
        with translating(f"looking for days after {day or 'the beginning'}"):
            found = self._client.query_entities(
                "PartitionKey gt @day and PartitionKey lt @days",
                # Letters sort after digits: so does every other partition.
                parameters={"day": day, "days": "a"},
                select=["PartitionKey"],
                results_per_page=1,
            )
            return str((await anext(each_item(found), {"PartitionKey": ""}))["PartitionKey"])

    async def some_open_work(self, day: str) -> list[OpenTask]:
        """Return up to 1,000 open tasks of a day."""
        async for page in self.open_work(day):
            if page:
                return page
        return []

    async def note_day(self, day: str) -> None:
        """List the day among those that may have open work, if it is not."""
        with translating(f"noting day {day}"):
            # This entity's ETag changes: who is about to forget the day finds that out.
            await self._client.upsert_entity(day_entity(day))
        await list_day(self._client, day)
        await create_unless_exists(self._client, noted_entity(day), f"noting day {day}")

    async def forget_day(self, day: str, now: datetime) -> bool:
        """Forget a day without open work, unless a record was written in it lately; returns whether it is forgotten.

        Every insertion changes the ETag of the day's own entity. It is read before the open work is looked
        at, and must still be the same when it is removed; from then on an insertion finds that the day is not noted.
        """
        try:
            with translating(f"forgetting day {day}"):
                noted = await self._client.get_entity(day, NOTED)
                if now - (noted.metadata["timestamp"] or now) > DAY_PATIENCE:
                    return await self._forget_day(noted, await self._client.get_entity(DAYS, day))
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
            # Left half noted: whole again, it can be forgotten when its time has come.
            await self.note_day(day)
        except Conflict:
            return False
        return False

    async def _forget_day(self, noted: TableEntity, listed: TableEntity) -> bool:
        if await self.some_open_work(listed["RowKey"]):
            return False
        if self._just_ended is not None:
            # After the look at open work: what is closed between the two is found here.
            await list_if_unsent(self._client, listed["RowKey"])
        for entity in (noted, listed):
            await self._client.delete_entity(
                entity, etag=entity.metadata["etag"], match_condition=MatchConditions.IfNotModified
            )
        return True

    async def ping(self) -> None:
        """Read one entity that need not be there."""
        with translating("reading the table"):
            query = "PartitionKey eq @days"
            async for _ in each_page(self._client.query_entities(query, parameters={"days": DAYS}, results_per_page=1)):
                return

    async def _at(self, rows: Set[tuple[str, str]]) -> list[TableEntity]:
        """Read what is in these rows: of what lies between them, which may be all of a day, nothing is kept."""
        return [one async for one in self._between(rows) if (one["PartitionKey"], one["RowKey"]) in rows]

    async def _between(
        self, rows: Iterable[tuple[str, str]], select: list[str] | None = None
    ) -> AsyncIterator[TableEntity]:
        """Read, for each partition, everything from its lowest to its highest row."""
        bounds: dict[str, tuple[str, str]] = {}
        for partition, row in rows:
            first, last = bounds.get(partition, (row, row))
            bounds[partition] = min(first, row), max(last, row)
        for partition, (first, last) in bounds.items():
            with translating(f"reading tasks of {partition}"):
                listed = self._client.query_entities(
                    "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
                    parameters={"partition": partition, "first": first, "last": last},
                    select=select,
                )
                async for entity in each_item(listed):
                    yield entity


def _change_unit(change: Change) -> Unit:
    before, after = change.stored.record, change.record
    condition = {
        "mode": UpdateMode.MERGE,
        "etag": change.stored.etag,
        "match_condition": MatchConditions.IfNotModified,
    }
    unit: Unit = [("update", change_entity(before, after), condition)]
    if index := index_changes(before, after, change.marks):
        unit.append(_index_update(before.task_id, index))
    return unit


def _index_update(task_id: str, changes: Mapping[str, object]) -> Operation:
    return ("update", index_entity(task_id, changes), {"mode": UpdateMode.MERGE})


def _log_end(closing: Closing) -> None:
    """Say what did not succeed: the task, its state, its file and the reason, for queries and alerts.

    The state comes before all that others choose, and a line stays one line: so no name and no message passes for
    another state or another line (docs/operations.md).
    """
    outcome = closing.outcome
    if outcome.state is not TaskState.SUCCEEDED:
        reason = _in_line(outcome.reason or "no reason is known")
        logger.warning("Task %s is %s: file %r: %s", closing.task_id, outcome.state, closing.blob, reason)


def _in_line(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
