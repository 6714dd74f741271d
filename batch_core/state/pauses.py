"""What people have paused: the intake as a whole, or single routes.

    PartitionKey   RowKey          what
    pauses         intake          no file is handed to Batch
    pauses         route-thumbs    none that this route takes

Every process looks again after a few seconds: a pause takes effect within these.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote

from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.state.entities import field_value, property_values, readable
from batch_core.state.transactions import create_unless_exists

_PARTITION: Final = "pauses"
_INTAKE: Final = "intake"
_ROUTE: Final = "route-"
#: For how long what was read is believed, in seconds.
FRESH_FOR: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Pause:
    """One pause: of a route, or of the intake as a whole. Times are aware and UTC."""

    route: str | None
    since: datetime
    asked_by: str | None = None

    @property
    def sentence(self) -> str:
        what = "the intake" if self.route is None else f"route {self.route}"
        by = f" by {self.asked_by}" if self.asked_by else ""
        return f"{what} has been paused{by} since {self.since:%Y-%m-%d %H:%M} UTC: resume it, and it goes on"


@dataclass(frozen=True, kw_only=True)
class Paused:
    """All pauses."""

    intake: Pause | None = None
    routes: Mapping[str, Pause] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, route: str | None) -> Pause | None:
        """Return what keeps a file of this route from being handed over."""
        return self.intake or self.routes.get(route or "")


class Pauses:
    """The pauses of the table. Methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._known: tuple[float, Paused] | None = None

    async def current(self) -> Paused:
        """Return all pauses, as they were a few seconds ago at most; one call, or none."""
        if self._known is not None and time.monotonic() - self._known[0] < FRESH_FOR:
            return self._known[1]
        return await self.read()

    async def read(self) -> Paused:
        """Return all pauses as they are now; one call."""
        with translating("reading what is paused"):
            listed = self._client.query_entities("PartitionKey eq @pauses", parameters={"pauses": _PARTITION})
            pauses = readable([entity async for entity in each_item(listed)], _pause)
        intake = next((pause for pause in pauses if pause.route is None), None)
        routes = {pause.route: pause for pause in pauses if pause.route is not None}
        paused = Paused(intake=intake, routes=routes)
        self._known = time.monotonic(), paused
        return paused

    async def begin(self, pause: Pause) -> None:
        """Pause the intake or a route; one that is paused already stays so, since when and by whom it was."""
        entity = {"PartitionKey": _PARTITION, "RowKey": _row(pause.route)}
        values = property_values({"since": pause.since, "asked_by": pause.asked_by})
        await create_unless_exists(self._client, entity | values, "pausing")
        self._known = None

    async def end(self, route: str | None) -> None:
        """Let the intake or a route go on; idempotent."""
        with translating("resuming"):
            await self._client.delete_entity(_PARTITION, _row(route))
        self._known = None


def _row(route: str | None) -> str:
    # Keys hold no slash, backslash, number sign or question mark.
    return _INTAKE if route is None else _ROUTE + quote(route, safe="").replace("%", "=")


def _pause(entity: TableEntity) -> Pause:
    row = str(entity["RowKey"])
    values = {
        "route": None if row == _INTAKE else unquote(row.removeprefix(_ROUTE).replace("=", "%")),
        "since": field_value(entity["since"]),
        "asked_by": field_value(entity.get("asked_by")),
    }
    return checked(Pause, values)
