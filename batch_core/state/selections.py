"""Selections: what a person asked for of many tasks at once, and how far it has come.

PartitionKey   RowKey                  what
selections     79738869827410-3f9a…    one selection; the newest come first
"""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict, Missing, SelectionNotFound
from batch_core.sdk.paging import each_item
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.entities import Entity, field_value, property_values, readable
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import TaskState

_PARTITION: Final = "selections"
_LAST: Final = 99_999_999_999_999
#: More selections than this are not shown.
MOST: Final = 50
_MOST_REMOVED: Final = 100
_DAY: Final = re.compile(r"\d{8}", re.ASCII)
_ID: Final = re.compile(r"\d{14}-[0-9a-f]{12}", re.ASCII)


class Action(StrEnum):
    """What is to be done to each task."""

    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Tasks that were recorded before it was asked for, and how far it has come. Times are aware and UTC."""

    selection_id: str
    action: Action
    wanted: RecordFilter
    day: str | None
    asked_at: datetime
    asked_by: str | None = None
    #: Where it goes on; None before the beginning, and at the end.
    place: Place | None = None
    done: int = 0
    #: Those that could not be done, for good; the last of these says why.
    refused: int = 0
    refusal: str | None = None
    finished_at: datetime | None = None
    #: Until then an instance is at it, unless it has stopped; others would count the same tasks as theirs.
    held_until: datetime | None = None
    etag: str = field(default="", compare=False, repr=False)


def new_selection_id(now: datetime) -> str:
    return f"{_LAST - int(f'{now:%Y%m%d%H%M%S}'):014}-{uuid4().hex[:12]}"


class Selections:
    """The selections of the table. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def add(self, selection: Selection) -> Selection:
        with translating("noting a selection"):
            reply = await self._client.create_entity(_entity(selection))
        return replace(selection, etag=str(reply["etag"]))

    async def save(self, selection: Selection) -> Selection | None:
        """Write how far a selection has come; None if another instance has, meanwhile."""
        try:
            with translating("noting how far a selection has come"):
                reply = await self._client.update_entity(
                    _entity(selection),
                    mode=UpdateMode.REPLACE,
                    etag=selection.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except Conflict:
            return None
        return replace(selection, etag=str(reply["etag"]))

    async def get(self, selection_id: str) -> Selection:
        """Return a selection; raises `SelectionNotFound`."""
        if not _ID.fullmatch(selection_id):
            raise SelectionNotFound(f"{selection_id[:100]!r} is no id of a selection")
        try:
            with translating("reading a selection"):
                return _selection(await self._client.get_entity(_PARTITION, selection_id))
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
            raise SelectionNotFound(f"there is no selection {selection_id!r}") from exc

    async def under_way(self) -> list[Selection]:
        """Return those that have not been carried out, the newest first, up to 50 of them."""
        query, values = "PartitionKey eq @selections and is_under_way eq true", {"selections": _PARTITION}
        with translating("listing selections that are under way"):
            listed = self._client.query_entities(query, parameters=values)
            found = [entity async for entity in each_item(listed)]
        return readable(found, _selection)[:MOST]

    async def newest(self) -> list[Selection]:
        """Return the newest selections, up to 50 of them; one call."""
        found: list[TableEntity] = []
        with translating("listing selections"):
            listed = self._client.query_entities(
                "PartitionKey eq @selections", parameters={"selections": _PARTITION}, results_per_page=MOST
            )
            async for entity in each_item(listed):
                found.append(entity)
                if len(found) == MOST:
                    break
        return readable(found, _selection)

    async def remove_old(self, before: datetime) -> None:
        """Remove selections that were asked for before a moment, up to 100 of them."""
        query, row = "PartitionKey eq @selections and RowKey gt @row", f"{_LAST - int(f'{before:%Y%m%d%H%M%S}'):014}"
        with translating("removing old selections"):
            listed = self._client.query_entities(
                query, parameters={"selections": _PARTITION, "row": row}, select=["PartitionKey", "RowKey"]
            )
            rows = [entity["RowKey"] async for entity in each_item(listed)][:_MOST_REMOVED]
            for one in rows:
                await self._client.delete_entity(_PARTITION, one)


def _entity(selection: Selection) -> Entity:
    wanted, place = selection.wanted, selection.place
    return property_values(
        {
            "PartitionKey": _PARTITION,
            "RowKey": selection.selection_id,
            "action": selection.action,
            "states": ",".join(sorted(wanted.states)),
            "route": wanted.route,
            "prefix": wanted.prefix,
            "day": selection.day,
            "asked_at": selection.asked_at,
            "asked_by": selection.asked_by,
            "place": json.dumps(vars(place)) if place else None,
            "done": selection.done,
            "refused": selection.refused,
            "refusal": selection.refusal,
            "finished_at": selection.finished_at,
            "held_until": selection.held_until,
            # What is absent cannot be asked for.
            "is_under_way": selection.finished_at is None,
        }
    )


def _selection(entity: TableEntity) -> Selection:
    found = {name: field_value(value) for name, value in entity.items()}
    states = frozenset(TaskState(state) for state in found["states"].split(","))
    values: dict[str, Any] = {
        "selection_id": found["RowKey"],
        "action": Action(found["action"]),
        "wanted": RecordFilter(states=states, route=found.get("route"), prefix=found.get("prefix") or ""),
        "day": found.get("day"),
        "asked_at": found["asked_at"],
        "asked_by": found.get("asked_by"),
        "place": _place(found["place"]) if found.get("place") else None,
        "done": found["done"],
        "refused": found["refused"],
        "refusal": found.get("refusal"),
        "finished_at": found.get("finished_at"),
        "held_until": found.get("held_until"),
        "etag": str(entity.metadata["etag"]),
    }
    return checked(Selection, values)


def _place(text: str) -> Place:
    place = checked(Place, json.loads(text))
    if not _DAY.fullmatch(place.day):
        raise ValueError(f"a selection goes on at the day {place.day[:100]!r}, which is none")
    return place
