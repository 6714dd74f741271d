"""Records as they are listed: page by page, the newest of a day first, each page one call to the table.

A page of a filtered list may be short, or empty, and go on: the service looks at so many entities a call
(https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from batch_core.naming import OPEN_PREFIX, BlobVersion, attempt_rows, table_keys
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.state.entities import readable, to_open_task, to_record
from batch_core.state.index import OpenTask
from batch_core.state.record import OPEN_STATES, TaskRecord, TaskState

#: Sorts after everything that a name can go on with: no name of a blob holds this character.
_AFTER_ALL: Final = "\uffff"


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """Which records are wanted: of these states, of a route, whose blobs' names begin so; what is empty matches all."""

    states: frozenset[TaskState] = frozenset()
    route: str | None = None
    prefix: str = ""

    def expression(self) -> tuple[str, dict[str, str]]:
        """Return a filter of the Table service, which may be empty, and its parameters."""
        parts: list[str] = []
        values: dict[str, str] = {}
        if self.states:
            names = {f"state{number}": str(state) for number, state in enumerate(sorted(self.states))}
            # The SDK knows a parameter by the spaces around it.
            parts.append(f"( {' or '.join(f'state eq @{name}' for name in names)} )")
            values |= names
        if self.route is not None:
            parts.append("route eq @route")
            values["route"] = self.route
        if self.prefix:
            parts.append("blob ge @prefix and blob lt @beyond")
            values |= {"prefix": self.prefix, "beyond": self.prefix + _AFTER_ALL}
        return " and ".join(parts), values


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a list of a day goes on: after a row, or where the service says by its own two opaque keys."""

    day: str
    after: str = ""
    partition_key: str = ""
    row_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Page[T]:
    """What one call found, and where the list of the day goes on; None: it is at its end."""

    found: Sequence[T]
    next: Place | None


class Listing:
    """Pages of records and of open work. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def records(self, place: Place, wanted: RecordFilter, most: int) -> Page[TaskRecord]:
        """Return records of a day from a place on, up to so many."""
        expression, values = wanted.expression()
        # Letters sort after digits: so does everything of a day that is no record.
        query = "RowKey gt @after and RowKey lt @letters"
        entities, further = await self._page(
            place, _all_of(query, expression), {**values, "after": place.after, "letters": "a"}, most
        )
        return Page(found=[stored.record for stored in readable(entities, to_record)], next=further)

    async def open_tasks(self, place: Place, prefix: str, since: datetime | None, most: int) -> Page[OpenTask]:
        """Return open work of a day from a place on, up to so many; of that which was recorded by then."""
        expression, values = RecordFilter(prefix=prefix).expression()
        parameters: dict[str, Any] = {**values, "after": place.after or OPEN_PREFIX}
        if since is not None:
            expression, parameters = _all_of(expression, "since le @since"), {**parameters, "since": since}
        entities, further = await self._page(place, _all_of("RowKey gt @after", expression), parameters, most)
        return Page(found=readable(entities, to_open_task), next=further)

    async def records_of(self, page: Page[OpenTask], wanted: RecordFilter) -> tuple[list[TaskRecord], Place | None]:
        """Return the records of a page of open work, as far as one call finds them, and where the list goes on."""
        if not page.found:
            return [], page.next
        keys = [table_keys(task.task_id) for task in page.found]
        expression, values = wanted.expression()
        query = _all_of("RowKey ge @first and RowKey le @last", expression)
        values |= {"first": keys[0].row, "last": keys[-1].row}
        ids = {task.task_id for task in page.found}
        place = Place(day=keys[0].partition)
        records: list[TaskRecord] = []
        while True:
            entities, further = await self._page(place, query, values, len(keys))
            records += [one.record for one in readable(entities, to_record) if one.record.task_id in ids]
            if further is None:
                return records, page.next
            # The service may stop anywhere, also before the first: then it goes on.
            if reached := [key for key in keys if key.row < further.row_key]:
                return records, Place(day=keys[0].partition, after=reached[-1].open_row)
            place = further

    async def final_states(self, day: str) -> dict[str, Counter[str]]:
        """Count the final records of a day by route and state; one call for 1,000 records."""
        query, values = "PartitionKey eq @day and RowKey lt @letters", {"day": day, "letters": "a"}
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        finals = frozenset(TaskState) - OPEN_STATES
        with translating(f"counting the records of {day}"):
            listed = self._client.query_entities(query, parameters=values, select=["route", "state"])
            async for entity in each_item(listed):
                if (state := entity.get("state")) in finals:
                    found[str(entity.get("route") or "")][str(state)] += 1
        return dict(found)

    async def attempts(self, version: BlobVersion) -> list[TaskRecord]:
        """Return all attempts at a version that are recorded; one call."""
        first, last = attempt_rows(version)
        query = "PartitionKey eq @day and RowKey ge @first and RowKey lt @last and blob_etag eq @etag"
        values = {"day": first.partition, "first": first.row, "last": last, "etag": version.etag.strip('"')}
        with translating(f"looking for attempts at blob {version.name!r}"):
            listed = each_item(self._client.query_entities(query, parameters=values))
            found = readable([entity async for entity in listed], to_record)
        blob = (version.container, version.name)
        return [record for stored in found if ((record := stored.record).container, record.blob) == blob]

    async def _page(
        self, place: Place, query: str, values: Mapping[str, Any], most: int
    ) -> tuple[list[TableEntity], Place | None]:
        with translating(f"listing tasks of {place.day}"):
            listed = self._client.query_entities(
                f"PartitionKey eq @day and {query}", parameters={"day": place.day, **values}, results_per_page=most
            )
            token = {"PartitionKey": place.partition_key, "RowKey": place.row_key} if place.row_key else None
            pages = listed.by_page(token)  # type: ignore[arg-type]  # The SDK's tokens of entities are no texts.
            entities = [entity async for entity in await anext(pages)]
            further = getattr(pages, "continuation_token", None)
        if not further:
            return entities, None
        keys = {"partition_key": str(further["PartitionKey"] or ""), "row_key": str(further["RowKey"] or "")}
        return entities, Place(day=place.day, after=place.after, **keys)


def _all_of(*parts: str) -> str:
    return " and ".join(part for part in parts if part)
