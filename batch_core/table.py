"""The state table: what is known of every file, and changes that no two callers can both make.

- A record is created together with its index entity; a second creation of the same task fails.
- A change that leaves a record open is accepted only on the ETag that was read.
- A final state is written in one transaction with the removal of the index entity: whoever removes it decides.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.entities import (
    DAYS,
    JOBS,
    Entity,
    JobEntry,
    OpenTask,
    Stored,
    change_entity,
    job_entity,
    open_entity,
    outcome_entity,
    record_entity,
    to_job,
    to_record,
)
from batch_core.errors import Conflict, Missing, RecordNotFound, translating
from batch_core.naming import is_task_id, table_keys
from batch_core.record import Outcome, TaskRecord

logger = logging.getLogger(__name__)

#: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
MAX_OPERATIONS = 100

type _Operation = tuple[str, Entity] | tuple[str, Entity, Mapping[str, Any]]
#: Operations of one partition that apply together or not at all.
type _Unit = list[_Operation]


@dataclass(frozen=True, kw_only=True)
class Closing:
    """The final state that a task is to get."""

    task_id: str
    outcome: Outcome


class StateTable:
    """The state table. Methods that take many use few calls; all raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._known_days: set[str] = set()

    async def insert(self, records: Sequence[TaskRecord]) -> list[Stored | None]:
        """Create the records with their index entities; None for each that was there already."""
        await self._note_days({table_keys(record.task_id).partition for record in records})
        units: list[_Unit] = [[("create", record_entity(r)), ("create", open_entity(r))] for r in records]
        etags = await self._apply(units)
        return [
            None if etag is None else Stored(record=record, etag=etag)
            for record, etag in zip(records, etags, strict=True)
        ]

    async def get(self, task_id: str) -> Stored:
        """Return the record of this task; raises `RecordNotFound`."""
        if not is_task_id(task_id):
            raise RecordNotFound(f"{task_id!r} is not a task id of this app")
        keys = table_keys(task_id)
        try:
            with translating(f"reading the record of task {task_id}"):
                return to_record(await self._client.get_entity(keys.partition, keys.row))
        except Missing as exc:
            raise RecordNotFound(f"no task {task_id!r} is recorded") from exc

    async def change(self, stored: Sequence[Stored], **changes: Any) -> list[Stored | None]:  # noqa: ANN401 - fields of TaskRecord
        """Make the same change to open records; None for each that somebody else changed since it was read."""
        units: list[_Unit] = [[_merge_if_unchanged(one, changes)] for one in stored]
        etags = await self._apply(units)
        return [
            None if etag is None else Stored(record=replace(one.record, **changes), etag=etag)
            for one, etag in zip(stored, etags, strict=True)
        ]

    async def close(self, closings: Sequence[Closing], now: datetime) -> list[bool]:
        """Write final states; False for each task that had its final state already."""
        units: list[_Unit] = [
            [
                ("update", outcome_entity(c.task_id, c.outcome, now), {"mode": UpdateMode.MERGE}),
                ("delete", _open_key(c.task_id)),
            ]
            for c in closings
        ]
        return [etag is not None for etag in await self._apply(units)]

    async def open_among(self, task_ids: Iterable[str]) -> dict[str, OpenTask]:
        """Return those of the tasks that are not final yet.

        One query for each day among them, over the open work between the oldest and the newest of that day: tasks run
        about in the order of their submission, so that there is little else in between.
        """
        rows: defaultdict[str, list[str]] = defaultdict(list)
        wanted = {task_id for task_id in task_ids if is_task_id(task_id)}
        for keys in map(table_keys, wanted):
            rows[keys.partition].append(keys.open_row)
        found: dict[str, OpenTask] = {}
        for partition, open_rows in rows.items():
            found |= await self._open_between(partition, min(open_rows), max(open_rows))
        return {task_id: task for task_id, task in found.items() if task_id in wanted}

    async def jobs(self) -> list[JobEntry]:
        """List the jobs that tasks were added to."""
        with translating("listing jobs in the table"):
            entities = self._client.query_entities("PartitionKey eq @jobs", parameters={"jobs": JOBS})
            return [to_job(entity) async for entity in entities]

    async def add_job(self, job: JobEntry) -> None:
        """Note a job before it is made; one that is noted already stays as it is."""
        try:
            with translating(f"noting job {job.job_id}"):
                await self._client.create_entity(job_entity(job))
        except Conflict:
            logger.debug("The job is noted already.", extra={"job_id": job.job_id})

    async def change_job(self, job: JobEntry) -> None:
        """Note what is known of a job now; what is None stays as it was."""
        with translating(f"noting job {job.job_id}"):
            await self._client.update_entity(job_entity(job), mode=UpdateMode.MERGE)

    async def ping(self) -> None:
        """Read one entity that need not be there."""
        with translating("reading the table"):
            async for _ in self._client.query_entities(
                "PartitionKey eq @days", parameters={"days": DAYS}, results_per_page=1
            ):
                return

    async def _open_between(self, partition: str, first: str, last: str) -> dict[str, OpenTask]:
        with translating(f"reading the open work of {partition}"):
            entities = self._client.query_entities(
                "PartitionKey eq @partition and RowKey ge @first and RowKey le @last",
                parameters={"partition": partition, "first": first, "last": last},
                select=["task_id", "blob"],
            )
            return {e["task_id"]: OpenTask(task_id=e["task_id"], blob=e["blob"]) async for e in entities}

    async def _note_days(self, days: set[str]) -> None:
        # Before the work itself, so that no open work stands in a day that nobody knows of.
        for day in days - self._known_days:
            with translating(f"noting day {day}"):
                await self._client.upsert_entity({"PartitionKey": DAYS, "RowKey": day})
            self._known_days.add(day)

    async def _apply(self, units: Sequence[_Unit]) -> list[str | None]:
        """Apply each unit or leave it; returns the ETag of each unit's first entity, None where a condition failed."""
        etags: list[str | None] = [None] * len(units)
        for group in _transactions(units):
            applied = await self._commit([units[index] for index in group])
            if applied is None and len(group) > 1:
                # One of them failed and none was applied: each for itself.
                alone = [await self._commit([units[index]]) for index in group]
                applied = [etag for reply in alone for etag in reply or [None]]
            for index, etag in zip(group, applied or [None] * len(group), strict=True):
                etags[index] = etag
        return etags

    async def _commit(self, units: Sequence[_Unit]) -> list[str | None] | None:
        """Send the units as one transaction; None if a condition failed, so that nothing was applied."""
        operations = [operation for unit in units for operation in unit]
        try:
            with translating("writing to the table"):
                replies = await self._send(operations)
        except (Conflict, Missing) as exc:
            if exc.code == "TableNotFound":
                raise
            return None
        firsts = [sum(len(unit) for unit in units[:index]) for index in range(len(units))]
        return [replies[first]["etag"] for first in firsts]

    async def _send(self, operations: Sequence[_Operation]) -> Sequence[Mapping[str, Any]]:
        match operations:
            case [("update", entity, condition)]:
                # A transaction of one would be a multipart message around the same request.
                return [await self._client.update_entity(entity, **condition)]
            case _:
                return await self._client.submit_transaction(operations)


def _transactions(units: Sequence[_Unit]) -> list[list[int]]:
    """Group the units' indexes: one partition and at most 100 operations a transaction."""
    groups: list[list[int]] = []
    filling: dict[str, tuple[list[int], int]] = {}
    for index, unit in enumerate(units):
        partition = unit[0][1]["PartitionKey"]
        group, size = filling.get(partition, ([], MAX_OPERATIONS))
        if size + len(unit) > MAX_OPERATIONS:
            group, size = [], 0
            groups.append(group)
        group.append(index)
        filling[partition] = (group, size + len(unit))
    return groups


def _merge_if_unchanged(stored: Stored, changes: Mapping[str, Any]) -> _Operation:
    condition = {"mode": UpdateMode.MERGE, "etag": stored.etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", change_entity(stored.record.task_id, changes), condition)


def _open_key(task_id: str) -> Entity:
    keys = table_keys(task_id)
    return {"PartitionKey": keys.partition, "RowKey": keys.open_row}
