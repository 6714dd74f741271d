"""Entity group transactions: few calls for many changes, each change applied whole or not at all.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from collections.abc import Mapping, Sequence
from typing import Any

from azure.data.tables.aio import TableClient

from batch_core.entities import Entity
from batch_core.errors import Conflict, Missing, Refused, translating
from batch_core.service_codes import CONDITION_FAILED

MAX_OPERATIONS = 100

type Operation = tuple[str, Entity] | tuple[str, Entity, Mapping[str, Any]]
#: Operations of one partition that apply together or not at all.
type Unit = list[Operation]


async def apply_units(client: TableClient, units: Sequence[Unit]) -> list[str | None]:
    """Apply each unit or leave it; returns the ETag of each unit's first entity, None where a condition failed.

    Units of one partition share transactions of up to 100 operations. Raises the `ServiceError` that fits when the
    table itself fails; a unit that the table refuses keeps none of the others from being applied.
    """
    etags: list[str | None] = [None] * len(units)
    refusals: list[Refused] = []
    for group in _transactions(units):
        for index, etag in zip(group, await _apply_group(client, [units[i] for i in group], refusals), strict=True):
            etags[index] = etag
    if refusals:
        raise refusals[0]
    return etags


async def _apply_group(client: TableClient, units: Sequence[Unit], refusals: list[Refused]) -> list[str | None]:
    try:
        applied = await _commit(client, units)
    except Refused as exc:
        if len(units) == 1:
            refusals.append(exc)
            return [None]
        applied = None
    if applied is not None:
        return list(applied)
    if len(units) == 1:
        return [None]
    # One of them failed and none was applied: one by one.
    return [etag for unit in units for etag in await _apply_group(client, [unit], refusals)]


def _transactions(units: Sequence[Unit]) -> list[list[int]]:
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


async def _commit(client: TableClient, units: Sequence[Unit]) -> list[str] | None:
    """Send the units as one transaction; None if a condition failed, so that nothing was applied."""
    operations = [operation for unit in units for operation in unit]
    firsts = [sum(len(unit) for unit in units[:index]) for index in range(len(units))]
    try:
        with translating("writing to the table"):
            replies = await _send(client, operations)
            return [_etag(replies[first]) for first in firsts]
    except (Conflict, Missing) as exc:
        if exc.code not in CONDITION_FAILED:
            raise
        return None


def _etag(reply: Mapping[str, Any]) -> str:
    etag = reply.get("etag")
    if not isinstance(etag, str) or not etag:
        raise ValueError("it does not name the ETag that was written")
    return etag


async def _send(client: TableClient, operations: Sequence[Operation]) -> Sequence[Mapping[str, Any]]:
    match operations:
        case [("update", entity, condition)]:
            # A transaction of one would be a multipart message around the same request.
            return [await client.update_entity(entity, **condition)]
        case _:
            return await client.submit_transaction(operations)
