"""Every day that has records, the newest first: the Table service lists partitions in one direction alone.

PartitionKey   RowKey     what
history        79738869   the day 20261130: its number is taken from 99999999
history        whole      exists once the days of earlier releases are listed, too
"""

import re
from typing import Final

from azure.data.tables.aio import TableClient

from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.state.transactions import create_unless_exists

HISTORY: Final = "history"
#: After all days: letters sort after digits.
_WHOLE: Final = "whole"
_LAST: Final = 99_999_999


#: A day, or its row.
_DAY: Final = re.compile(r"\d{8}", re.ASCII)


async def list_day(client: TableClient, day: str) -> None:
    """List a day; idempotent. What is no day has no records, and is left out. Raises the `ServiceError` that fits."""
    if _DAY.fullmatch(day):
        await create_unless_exists(client, {"PartitionKey": HISTORY, "RowKey": _row(day)}, f"listing day {day}")


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


def _row(day: str) -> str:
    return f"{_LAST - int(day):08}"


def _day(row: str) -> str:
    return f"{_LAST - int(row):08}"
