"""Every day that has records, the newest first: the Table service lists partitions in one direction alone.

PartitionKey   RowKey     what
history        79738869   the day 20261130: its number is taken from 99999999
history        whole      exists once the days of earlier releases are listed, too

What is found out about a day in which all work has ended is noted in its entity, and is gone when the day is listed
again, as it is before anything is recorded in it.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict, Missing
from batch_core.sdk.paging import each_item
from batch_core.sdk.service_codes import ABSENT_ENTITY
from batch_core.sdk.translation import translating
from batch_core.state.entities import field_value, readable
from batch_core.state.transactions import create_unless_exists

HISTORY: Final = "history"
#: After all days: letters sort after digits.
_WHOLE: Final = "whole"
_LAST: Final = 99_999_999


#: A day, or its row.
_DAY: Final = re.compile(r"\d{8}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PastDay:
    """A day that has records, and what was noted of it. Times are aware and UTC."""

    day: str
    #: When the last of its tasks ended; None: that is not known.
    last_end: datetime | None = None
    #: The outputs of the records up to this row are removed; and whether all are.
    outputs_removed_to: str = ""
    is_without_outputs: bool = False
    etag: str = ""


async def list_day(client: TableClient, day: str) -> None:
    """List a day; idempotent. What is no day has no records, and is left out. Raises the `ServiceError` that fits."""
    if _DAY.fullmatch(day):
        with translating(f"listing day {day}"):
            # Its ETag changes: who is about to take the day off the list finds that out.
            await client.upsert_entity({"PartitionKey": HISTORY, "RowKey": _row(day)}, mode=UpdateMode.REPLACE)


class History:
    """The days of the table. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def days(self, before: str | None, most: int) -> list[str]:
        """Return up to so many days that have records, the newest first: those before a day, or all; one call."""
        query, values = "PartitionKey eq @history and RowKey lt @whole", {"history": HISTORY, "whole": _WHOLE}
        if before is not None:
            query, values = f"{query} and RowKey gt @before", {**values, "before": _row(before)}
        found: list[str] = []
        with translating("listing the days that have records"):
            listed = self._client.query_entities(query, parameters=values, select=["RowKey"], results_per_page=most)
            async for entity in each_item(listed):
                if _DAY.fullmatch(row := str(entity["RowKey"])):
                    found.append(_day(row))
                if len(found) == most:
                    break
        return found

    async def add(self, day: str) -> None:
        """List a day as `list_day` does."""
        await list_day(self._client, day)

    async def past_days(self, last: str) -> list[PastDay]:
        """Return the days that have records up to and including one, the oldest first; one call for 1,000 of them."""
        query = "PartitionKey eq @history and RowKey ge @last and RowKey lt @whole"
        values = {"history": HISTORY, "last": _row(last), "whole": _WHOLE}
        with translating("listing the days that have records"):
            listed = self._client.query_entities(query, parameters=values)
            found = readable([entity async for entity in each_item(listed)], _past_day)
        return [one for one in reversed(found) if _DAY.fullmatch(one.day)]

    async def note(self, day: PastDay, **found: Any) -> PastDay | None:  # noqa: ANN401 - fields of `PastDay`
        """Note what was found out about a day; None if it was listed again since it was read."""
        try:
            with translating(f"noting what is known of day {day.day}"):
                reply = await self._client.update_entity(
                    {"PartitionKey": HISTORY, "RowKey": _row(day.day), **found},
                    mode=UpdateMode.MERGE,
                    etag=day.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except Conflict:
            return None
        return replace(day, **found, etag=str(reply["etag"]))

    async def remove(self, day: PastDay) -> bool:
        """Take a day off the list; False if it was listed again since it was read."""
        try:
            with translating(f"taking day {day.day} off the list"):
                await self._client.delete_entity(
                    {"PartitionKey": HISTORY, "RowKey": _row(day.day)},
                    etag=day.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except Conflict:
            return False
        except Missing as exc:
            if exc.code not in ABSENT_ENTITY:
                raise
        return True

    async def is_whole(self) -> bool:
        """Return whether the days of earlier releases, which listed none, are listed."""
        with translating("looking whether all days are listed"):
            query = "PartitionKey eq @history and RowKey eq @whole"
            listed = self._client.query_entities(query, parameters={"history": HISTORY, "whole": _WHOLE})
            return bool([entity async for entity in each_item(listed)])

    async def note_whole(self) -> None:
        await create_unless_exists(
            self._client, {"PartitionKey": HISTORY, "RowKey": _WHOLE}, "noting that all is listed"
        )


def _past_day(entity: TableEntity) -> PastDay:
    known = {name: field_value(entity.get(name)) for name in ("last_end", "outputs_removed_to", "is_without_outputs")}
    values = {name: value for name, value in known.items() if value is not None}
    return checked(PastDay, values | {"day": _day(str(entity["RowKey"])), "etag": str(entity.metadata["etag"])})


def _row(day: str) -> str:
    return f"{_LAST - int(day):08}"


def _day(row: str) -> str:
    return f"{_LAST - int(row):08}"
