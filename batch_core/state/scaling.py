"""What is remembered of scaled pools: the nodes that are about to go, and when to ask for more again."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.state.entities import SCALING, Entity, field_value, property_values

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ScalingState:
    """One pool. Times are aware and UTC."""

    pool_id: str
    #: Nodes that were closed to tasks because they are to go.
    closing: tuple[str, ...] = ()
    #: When an instance began to decide on them.
    claimed_at: datetime | None = None
    #: How often the pool has failed to get its nodes, and when to ask again.
    failures: int = 0
    next_growth_at: datetime | None = None
    #: Whether that was read or written: otherwise nodes may be closed of which it says nothing.
    is_known: bool = False
    etag: str = field(default="", compare=False)


class Scaling:
    """The scaling entities of the table. All methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        #: No pool has nodes that are about to go, as far as this process knows.
        self.is_empty = False

    async def all(self) -> dict[str, ScalingState]:
        """Return what is remembered of pools, by their ids in small letters; what cannot be read remembers nothing."""
        with translating("reading how pools are scaled"):
            listed = self._client.query_entities("PartitionKey eq @scaling", parameters={"scaling": SCALING})
            states = [_readable_state(entity) async for entity in each_item(listed)]
        self.is_empty = not any(state.closing for state in states)
        return {state.pool_id.lower(): state for state in states}

    async def save(self, state: ScalingState) -> ScalingState | None:
        """Write a state that was read; None if it was modified since: another instance is at it."""
        self.is_empty = False
        entity = property_values(
            {
                "PartitionKey": SCALING,
                "RowKey": state.pool_id.lower(),
                "closing": json.dumps(state.closing),
                "claimed_at": state.claimed_at,
                "failures": state.failures,
                "next_growth_at": state.next_growth_at,
            }
        )
        try:
            with translating(f"noting how pool {state.pool_id} is scaled"):
                reply = await self._written(entity, state.etag)
        except Conflict:
            return None
        return replace(state, is_known=True, etag=str(reply["etag"]))

    async def _written(self, entity: Entity, etag: str) -> Mapping[str, Any]:
        if not etag:
            return await self._client.create_entity(entity)
        return await self._client.update_entity(
            entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
        )


def _readable_state(entity: TableEntity) -> ScalingState:
    """Return what is remembered of a pool; nothing if it cannot be read, but for its ETag, on which it is replaced."""
    pool_id = str(entity["RowKey"])
    try:
        return _to_state(pool_id, entity)
    except (LookupError, TypeError, ValueError, RecursionError) as exc:
        logger.warning("What is remembered of pool %s cannot be read, and is forgotten: %s", pool_id, exc)
        return ScalingState(pool_id=pool_id, etag=str(entity.metadata["etag"]))


def _to_state(pool_id: str, entity: TableEntity) -> ScalingState:
    values = {
        "pool_id": pool_id,
        "closing": tuple(map(str, json.loads(entity.get("closing", "[]")))),
        "claimed_at": field_value(entity.get("claimed_at")),
        "failures": field_value(entity.get("failures", 0)),
        "next_growth_at": field_value(entity.get("next_growth_at")),
        "is_known": True,
        "etag": str(entity.metadata["etag"]),
    }
    return checked(ScalingState, values)
