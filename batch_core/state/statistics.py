"""What is counted for people: final states by day and route, what ended in which minute, node-hours, and ticks.

    PartitionKey   RowKey            what
    statistics     count-nodes       when nodes were counted last, by whichever process
    statistics     day-79738869      final states of records of the day 20261130, by route
    statistics     hour-7973886987   what ended in each minute of the hour 2026113012
    statistics     pool-images       seconds of nodes of a pool, by day
    statistics     tick-tidy_jobs    what a function's last tick did

Days and hours are inverted, so that the newest come first. Counts change on the ETag that was read; nothing is decided
by any of it.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from typing import Any, Final

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.errors import Missing, Unavailable
from batch_core.sdk.paging import each_item
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.entities import Entity, field_value, readable
from batch_core.state.tally import Counts, Minute
from batch_core.state.transactions import Operation, apply_units

type Document = dict[str, Any]
#: Makes a row's new document of its old one, which may be empty.
type _Change = Callable[[Document], Document]

_PARTITION: Final = "statistics"
_DAY, _HOUR, _POOL, _TICK = "day-", "hour-", "pool-", "tick-"
#: Before all rows that earlier releases read, or remove when they are old.
_NODES_COUNTED: Final = "count-nodes"
_TRIES: Final = 5
#: Rows that are read and changed together: a filter has at most 15 comparisons
#: (https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities).
_TOGETHER: Final = 10
#: How long statistics are kept that are looked at by the hour or for costs.
KEPT: Final = timedelta(days=35)
#: Rows that are removed in one go.
_MOST_REMOVED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What is known of the last days: final states by day and route, minutes, seconds of nodes by pool and day, ticks.

    Days are `20261130`, minutes `202611301712`, in UTC.
    """

    days: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    minutes: dict[str, Minute] = field(default_factory=dict)
    node_seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    ticks: dict[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NodesCounted:
    """When nodes were counted last, None if that is not known, and the ETag of the entity, empty if there is none."""

    at: datetime | None = None
    etag: str = ""


class StatisticsTable:
    """The statistics in the table. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def add(self, counts: Counts) -> None:
        """Add counts to those that exist: two calls, more where another instance is at it."""
        days = {_row(_DAY, day): partial(_with_states, counts, day) for day, _, _ in counts.days}
        hours = {_row(_HOUR, name[:10]): partial(_with_minutes, counts, name[:10]) for name in counts.minutes}
        await self._change({**days, **hours})

    async def set_day(self, day: str, routes: Mapping[str, Mapping[str, int]]) -> None:
        """Write what the records of a day themselves say."""
        await self._change({_row(_DAY, day): lambda _: {route: dict(states) for route, states in routes.items()}})

    async def nodes_counted(self) -> NodesCounted:
        """Return when nodes were counted last, by any process; one call."""
        try:
            with translating("reading when nodes were counted"):
                entity = await self._client.get_entity(_PARTITION, _NODES_COUNTED)
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
            return NodesCounted()
        at = field_value(entity.get("at"))
        # What is damaged is written again.
        return NodesCounted(at=at if isinstance(at, datetime) else None, etag=str(entity.metadata["etag"]))

    async def count_nodes(self, counted: NodesCounted, seconds: Mapping[str, float], now: datetime) -> bool:
        """Note that nodes are counted now, and add what the nodes of pools have cost since the time before.

        Both are written together, or neither: False where another process has counted them since that was read. One
        call without nodes, two with some.
        """
        pools = {f"{_POOL}{pool.lower()}": more for pool, more in seconds.items()}
        entity: Entity = {"PartitionKey": _PARTITION, "RowKey": _NODES_COUNTED, "at": now}
        first, *others = list(batched(pools.items(), _TOGETHER, strict=False)) or [()]
        old = await self._rows([row for row, _ in first]) if first else {}
        changes = [_operation(row, _with_seconds(more, now, old[row][0]), old[row][1]) for row, more in first]
        (etag,) = await apply_units(self._client, [[_on_etag(entity, counted.etag), *changes]])
        if etag is None:
            return False
        await self._change({row: partial(_with_seconds, more, now) for some in others for row, more in some})
        return True

    async def note_tick(self, function: str, report: Document) -> None:
        """Write what a function's last tick did."""
        with translating(f"noting the tick of {function}"):
            await self._client.upsert_entity(_entity(f"{_TICK}{function}", report), mode=UpdateMode.REPLACE)

    async def read(self, now: datetime, *, days: int, hours: int) -> Statistics:
        """Return what is known of the last days and hours; one call."""
        query = (
            "PartitionKey eq @statistics and ( RowKey ge @pools or ( RowKey ge @days and RowKey le @day ) or"
            " ( RowKey ge @hours and RowKey le @hour ) )"
        )
        values = {
            "statistics": _PARTITION,
            "pools": _POOL,
            "days": _DAY,
            "day": _row(_DAY, f"{now - timedelta(days=days - 1):%Y%m%d}"),
            "hours": _HOUR,
            "hour": _row(_HOUR, f"{now - timedelta(hours=hours - 1):%Y%m%d%H}"),
        }
        with translating("reading the statistics"):
            listed = self._client.query_entities(query, parameters=values)
            entities = [entity async for entity in each_item(listed)]
        found = Statistics()
        for _, _, part in readable(entities, _part):
            found.days.update(part.days)
            found.minutes.update(part.minutes)
            found.node_seconds.update(part.node_seconds)
            found.ticks.update(part.ticks)
        return found

    async def routes_digest(self, now: datetime) -> str | None:
        """Return which routes the app goes by, as its newest tick that knew them has noted; one call."""
        ticks = (await self.read(now, days=1, hours=1)).ticks.values()
        known = [(str(tick.get("at")), digest) for tick in ticks if isinstance(digest := tick.get("routes"), str)]
        return max(known, default=("", None))[1]

    async def remove_day(self, day: str) -> None:
        """Remove what was counted of the records of a day; idempotent."""
        with translating("removing the statistics of a day"):
            # The SDK says nothing of an entity that does not exist.
            await self._client.delete_entity(_PARTITION, _row(_DAY, day))

    async def remove_old(self, now: datetime) -> None:
        """Remove hours that nobody looks at any more, up to 100 of them."""
        query = "PartitionKey eq @statistics and RowKey gt @hour and RowKey lt @pools"
        values = {"statistics": _PARTITION, "hour": _row(_HOUR, f"{now - KEPT:%Y%m%d%H}"), "pools": _POOL}
        with translating("removing old statistics"):
            listed = self._client.query_entities(query, parameters=values, select=["PartitionKey", "RowKey"])
            rows = [entity["RowKey"] async for entity in each_item(listed)]
        await apply_units(
            self._client,
            [[("delete", {"PartitionKey": _PARTITION, "RowKey": row})] for row in rows[:_MOST_REMOVED]],
        )

    async def _change(self, changes: Mapping[str, _Change]) -> None:
        """Change rows on their ETags, a few together; raises `Unavailable` where others are always quicker."""
        for some in batched(changes.items(), _TOGETHER, strict=False):
            await self._change_few(dict(some))

    async def _change_few(self, changes: Mapping[str, _Change]) -> None:
        for _ in range(_TRIES):
            old = await self._rows(list(changes))
            unit = [_operation(row, change(old[row][0]), old[row][1]) for row, change in changes.items()]
            (etag,) = await apply_units(self._client, [unit])
            if etag is not None:
                return
        raise Unavailable("counting", detail="other instances of the app are always quicker")

    async def _rows(self, rows: Sequence[str]) -> dict[str, tuple[Document, str]]:
        """Return the documents of rows and their ETags; both empty where there is none."""
        names = {f"row{number}": row for number, row in enumerate(rows)}
        query = f"PartitionKey eq @statistics and ( {' or '.join(f'RowKey eq @{name}' for name in names)} )"
        with translating("reading the statistics"):
            listed = self._client.query_entities(query, parameters={"statistics": _PARTITION, **names})
            entities = [entity async for entity in each_item(listed)]
        etags = {str(entity["RowKey"]): str(entity.metadata["etag"]) for entity in entities}
        # What is damaged begins again with nothing.
        documents = {row: document for row, document, _ in readable(entities, _part)}
        return {row: (documents.get(row, {}), etags.get(row, "")) for row in rows}


def _row(kind: str, moment: str) -> str:
    """Return the row of a day or an hour, given by its digits: the newer it is, the earlier it comes."""
    return f"{kind}{_inverted(moment)}"


def _inverted(digits: str) -> str:
    return f"{10 ** len(digits) - 1 - int(digits):0{len(digits)}}"


def _entity(row: str, document: Document) -> Entity:
    return {"PartitionKey": _PARTITION, "RowKey": row, "document": json.dumps(document, ensure_ascii=False)}


def _operation(row: str, document: Document, etag: str) -> Operation:
    return _on_etag(_entity(row, document), etag)


def _on_etag(entity: Entity, etag: str) -> Operation:
    if not etag:
        return ("create", entity)
    condition = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", entity, condition)


def _with_seconds(more: float, now: datetime, old: Document) -> Document:
    """Return the seconds of a pool's nodes by day, with more of today and without days that are past long since."""
    today, oldest = f"{now:%Y%m%d}", f"{now - KEPT:%Y%m%d}"
    kept = {day: value for day, value in old.items() if day >= oldest}
    return {**kept, today: kept.get(today, 0.0) + more}


def _with_states(counts: Counts, day: str, old: Document) -> Document:
    """Return the final states of a day by route, with what has been counted since."""
    new: dict[str, Counter[str]] = {route: Counter(states) for route, states in old.items()}
    for (of_day, route, state), number in counts.days.items():
        if of_day == day:
            new.setdefault(route, Counter())[state] += number
    return {route: dict(states) for route, states in new.items()}


def _with_minutes(counts: Counts, hour: str, old: Document) -> Document:
    """Return the minutes of an hour, with what has been counted since."""
    new = {name: _to_minute(values) for name, values in old.items()}
    for name, minute in counts.minutes.items():
        if name[:10] == hour:
            new.setdefault(name[10:], Minute()).add(minute)
    return {name: _minute_document(minute) for name, minute in new.items()}


def _minute_document(minute: Minute) -> Document:
    waits = [minute.waited, round(minute.waited_seconds, 1), round(minute.longest_wait, 1)]
    return {"states": dict(minute.states), "waits": waits}


def _to_minute(value: object) -> Minute:
    values = _table(value)
    waited, seconds, longest = values["waits"]
    return Minute(
        states=_counter(values["states"]),
        waited=int(waited),
        waited_seconds=float(seconds),
        longest_wait=float(longest),
    )


def _part(entity: TableEntity) -> tuple[str, Document, Statistics]:
    """Return a row, its document and what that says; raises what `readable` expects of damaged entities."""
    row, document = str(entity["RowKey"]), _document(entity["document"])
    kind, _, name = row.partition("-")
    match kind:
        case "day":
            says = Statistics(days={_inverted(name): {route: _counter(states) for route, states in document.items()}})
        case "hour":
            hour = _inverted(name)
            says = Statistics(minutes={f"{hour}{minute}": _to_minute(values) for minute, values in document.items()})
        case "pool":
            says = Statistics(node_seconds={name: {str(day): float(value) for day, value in document.items()}})
        case _:
            says = Statistics(ticks={name: dict(document.items())})
    return row, document, says


def _document(text: str) -> Document:
    try:
        return _table(json.loads(text))
    except RecursionError as exc:
        raise ValueError("the document is nested too deeply") from exc


def _counter(states: object) -> Counter[str]:
    return Counter({str(state): int(number) for state, number in _table(states).items()})


def _table(value: object) -> Document:
    if not isinstance(value, dict):
        raise TypeError(f"it has {type(value).__name__} in place of an object")
    return value
