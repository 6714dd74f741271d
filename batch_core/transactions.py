"""Entity group transactions: few calls for many changes, each change applied whole or not at all.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from collections.abc import Mapping, Sequence
from typing import Any

from azure.data.tables.aio import TableClient

from batch_core.entities import Entity
from batch_core.errors import Conflict, Missing, translating

MAX_OPERATIONS = 100

type Operation = tuple[str, Entity] | tuple[str, Entity, Mapping[str, Any]]
#: Operations of one partition that apply together or not at all.
type Unit = list[Operation]


async def apply_units(client: TableClient, units: Sequence[Unit]) -> list[str | None]:
    """Apply each unit or leave it; returns the ETag of each unit's first entity, None where a condition failed.

    Units of one partition share transactions of up to 100 operations. Raises the `ServiceError` that fits when the
    table itself fails.
    """
    etags: list[str | None] = [None] * len(units)
    for group in _transactions(units):
        applied = await _commit(client, [units[index] for index in group])
        if applied is None and len(group) > 1:
            # One of them failed and none was applied: each for itself.
            alone = [await _commit(client, [units[index]]) for index in group]
            applied = [etag for reply in alone for etag in reply or [None]]
        for index, etag in zip(group, applied or [None] * len(group), strict=True):
            etags[index] = etag
    return etags


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


async def _commit(client: TableClient, units: Sequence[Unit]) -> list[str | None] | None:
    """Send the units as one transaction; None if a condition failed, so that nothing was applied."""
    operations = [operation for unit in units for operation in unit]
    try:
        with translating("writing to the table"):
            replies = await _send(client, operations)
    except (Conflict, Missing) as exc:
        if exc.code == "TableNotFound":
            raise
        return None
    firsts = [sum(len(unit) for unit in units[:index]) for index in range(len(units))]
    return [replies[first].get("etag", "") for first in firsts]


async def _send(client: TableClient, operations: Sequence[Operation]) -> Sequence[Mapping[str, Any]]:
    match operations:
        case [("update", entity, condition)]:
            # A transaction of one would be a multipart message around the same request.
            return [await client.update_entity(entity, **condition)]
        case _:
            return await client.submit_transaction(operations)
