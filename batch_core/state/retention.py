"""Which records may be gone: those of files that were last modified before a mark, which only moves forward.

    PartitionKey   RowKey   what
    retention      mark     until when files are left alone that have no record, and until when records may be removed

The mark is two moments. `left_alone` moves first: from then on nobody takes a file by itself that is older, whether it
has a record or not. Only when that has been so for a day does `removable` follow: a process that had looked before
has long since recorded what it took. So no file is taken whose record was removed, by no process and with no setting.
"""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict, Missing
from batch_core.naming import EVENT_PREFIX
from batch_core.sdk.paging import each_item, each_page
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.entities import field_value, property_values
from batch_core.state.record import OPEN_STATES
from batch_core.state.transactions import Unit, apply_units

_KEY: Final = {"PartitionKey": "retention", "RowKey": "mark"}
#: For how long what was read is believed, in seconds.
_FRESH_FOR: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class RetentionMark:
    """Times are aware and UTC; None: no record was ever removed, nor is one about to be."""

    #: Files last modified before it are left alone; and since when that is so.
    left_alone: datetime | None = None
    left_alone_since: datetime | None = None
    #: Records of files last modified before it may be removed.
    removable: datetime | None = None
    etag: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class FinalRecord:
    """A record that can be removed, as it was read."""

    row: str
    closed_at: datetime
    etag: str


class Retention:
    """The mark, and records as they are removed. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._known: tuple[float, RetentionMark] | None = None

    async def mark(self) -> RetentionMark:
        """Return the mark as it is now; raises where it cannot be read: then nothing is known to be safe."""
        try:
            with translating("reading the mark of retention"):
                found = _to_mark(await self._client.get_entity(_KEY["PartitionKey"], _KEY["RowKey"]))
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
            found = RetentionMark()
        self._known = time.monotonic(), found
        return found

    async def left_alone(self) -> datetime | None:
        """Return before which moment files are left alone, as it was a few seconds ago at most; one call, or none."""
        if self._known is not None and time.monotonic() - self._known[0] < _FRESH_FOR:
            return self._known[1].left_alone
        return (await self.mark()).left_alone

    async def move(self, mark: RetentionMark) -> RetentionMark | None:
        """Write a mark that was read; None if it has been moved since."""
        values = {name: value for name, value in vars(mark).items() if name != "etag"}
        entity = _KEY | property_values(values)
        try:
            with translating("moving the mark of retention"):
                if mark.etag:
                    reply = await self._client.update_entity(
                        entity,
                        mode=UpdateMode.REPLACE,
                        etag=mark.etag,
                        match_condition=MatchConditions.IfNotModified,
                    )
                else:
                    reply = await self._client.create_entity(entity)
        except Conflict:
            return None
        return replace(mark, etag=str(reply["etag"]))

    async def finals(self, day: str) -> AsyncIterator[list[FinalRecord] | None]:
        """List the records of a day in pages of up to 1,000; None for a page in which one is open."""
        listed = self._client.query_entities(
            "PartitionKey eq @day and RowKey lt @letters",
            parameters={"day": day, "letters": "a"},
            select=["RowKey", "state", "closed_at"],
        )
        with translating(f"reading what has ended of {day}"):
            async for page in each_page(listed):
                is_open = any(one.get("state") in OPEN_STATES for one in page)
                yield None if is_open else [_final(one) for one in page]

    async def remove(self, day: str, records: Sequence[FinalRecord]) -> int:
        """Remove records that were not changed since they were read; one call for 100. Returns how many are removed."""
        condition = {"match_condition": MatchConditions.IfNotModified}
        units: list[Unit] = [
            [("delete", {"PartitionKey": day, "RowKey": one.row}, {**condition, "etag": one.etag})] for one in records
        ]
        return sum(etag is not None for etag in await apply_units(self._client, units))

    async def remove_unsent(self, day: str) -> int | None:
        """Remove events of a day that has nothing else left, since nobody wants them any more.

        Returns how many these were; None if the day has something left, and nothing is removed.
        """
        with translating(f"looking for what is left of {day}"):
            listed = self._client.query_entities(
                "PartitionKey eq @day", parameters={"day": day}, select=["RowKey"], results_per_page=1000
            )
            rows = [str(entity["RowKey"]) async for entity in each_item(listed)]
        unsent = [row for row in rows if row.startswith(EVENT_PREFIX)]
        if len(unsent) < len(rows):
            return None
        await apply_units(self._client, [[("delete", {"PartitionKey": day, "RowKey": row})] for row in unsent])
        return len(unsent)


def _final(entity: TableEntity) -> FinalRecord:
    values = {
        "row": str(entity["RowKey"]),
        "closed_at": field_value(entity["closed_at"]),
        "etag": str(entity.metadata["etag"]),
    }
    return checked(FinalRecord, values)


def _to_mark(entity: TableEntity) -> RetentionMark:
    names = ("left_alone", "left_alone_since", "removable")
    values = {name: field_value(entity.get(name)) for name in names}
    return checked(RetentionMark, values | {"etag": str(entity.metadata["etag"])})
