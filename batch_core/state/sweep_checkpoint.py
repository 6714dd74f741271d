"""How far the sweep has come in listing the input container."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Missing
from batch_core.sdk.translation import translating
from batch_core.state.entities import field_value, property_values, readable

_KEY: Final = {"PartitionKey": "sweep", "RowKey": "position"}


@dataclass(frozen=True, kw_only=True)
class SweepPosition:
    """How far the listing of the input container has come.

    `container` is the one that is listed. `swept_until`: every file that was last modified before it is recorded.
    `continuation` and `started_at` belong to a listing that is not at its end yet, `oldest_left` to the files that it
    had to leave for the next one. `long_name` is the name of a file that the host can write no receipt for, if the last
    complete listing had one; `long_name_so_far` belongs to the listing that is not at its end.
    """

    container: str | None = None
    swept_until: datetime | None = None
    continuation: str | None = None
    started_at: datetime | None = None
    oldest_left: datetime | None = None
    long_name: str | None = None
    long_name_so_far: str | None = None


class SweepCheckpoint:
    """The sweep's checkpoint in the table. Its methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def load(self) -> SweepPosition:
        """Return where the sweep is; the beginning if there is no checkpoint, or it cannot be read."""
        try:
            with translating("reading the sweep's checkpoint"):
                entity = await self._client.get_entity(_KEY["PartitionKey"], _KEY["RowKey"])
        except Missing:
            return SweepPosition()
        return next(iter(readable([entity], _to_position)), SweepPosition())

    async def save(self, position: SweepPosition) -> None:
        with translating("writing the sweep's checkpoint"):
            await self._client.upsert_entity(_KEY | property_values(vars(position)), mode=UpdateMode.REPLACE)


def _to_position(entity: TableEntity) -> SweepPosition:
    return checked(SweepPosition, {f.name: field_value(entity.get(f.name)) for f in fields(SweepPosition)})
