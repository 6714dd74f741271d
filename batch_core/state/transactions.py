"""Entity group transactions: few calls for many changes, each change applied whole or not at all.

https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from azure.data.tables.aio import TableClient

from batch_core.errors import Conflict, Missing, Refused
from batch_core.sdk.service_codes import CONDITION_FAILED
from batch_core.sdk.translation import translating
from batch_core.state.entities import Entity

MAX_OPERATIONS: Final = 100

type Operation = tuple[str, Entity] | tuple[str, Entity, Mapping[str, Any]]
#: Operations of one partition that apply together or not at all.
type Unit = list[Operation]


#: How often a guard that is missing is put in its place, before something must be wrong.
_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Guard:
    """An entity that must exist in a partition for a transaction there to be applied; a missing one is created.

    `operation` touches the entity of a partition and fails with 404 where there is none; `restore` makes it. The units
    themselves must hold no operation that can fail so.
    """

    operation: Callable[[str], Operation]
    restore: Callable[[str], Awaitable[None]]


class _GuardMissing(Missing):
    """The entity that guards a partition does not exist."""


async def apply_units(client: TableClient, units: Sequence[Unit], guard: Guard | None = None) -> list[str | None]:
    """Apply each unit or leave it; returns the ETag of each unit's first entity, None where a condition failed.

    It is empty where the first operation deletes.

    Units of one partition share transactions of up to 100 operations, of which `guard` takes one. Raises the
    `ServiceError` that fits when the table itself fails; a unit that the table refuses keeps none of the others from
    being applied.
    """
    etags: list[str | None] = [None] * len(units)
    refusals: list[Refused] = []
    for group in _transactions(units, MAX_OPERATIONS - (guard is not None)):
        applied = await _apply_group(client, [units[index] for index in group], guard, refusals)
        for index, etag in zip(group, applied, strict=True):
            etags[index] = etag
    if refusals:
        raise refusals[0]
    return etags


async def create_unless_exists(client: TableClient, entity: Entity, action: str) -> bool:
    """Create the entity; idempotent: one that already exists stays as it is, and False is returned.

    Raises the `ServiceError` that fits, with `action` as what the app was doing.
    """
    try:
        with translating(action):
            await client.create_entity(entity)
    except Conflict as exc:
        if exc.code not in CONDITION_FAILED:
            raise
        return False
    return True


async def _apply_group(
    client: TableClient, units: Sequence[Unit], guard: Guard | None, refusals: list[Refused]
) -> list[str | None]:
    try:
        applied = await _commit(client, units, guard)
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
    return [etag for unit in units for etag in await _apply_group(client, [unit], guard, refusals)]


def _transactions(units: Sequence[Unit], room: int) -> list[list[int]]:
    """Group the units' indexes: one partition and at most so many operations a transaction."""
    groups: list[list[int]] = []
    filling: dict[str, tuple[list[int], int]] = {}
    for index, unit in enumerate(units):
        partition = unit[0][1]["PartitionKey"]
        group, size = filling.get(partition, ([], room))
        if size + len(unit) > room:
            group, size = [], 0
            groups.append(group)
        group.append(index)
        filling[partition] = (group, size + len(unit))
    return groups


async def _commit(client: TableClient, units: Sequence[Unit], guard: Guard | None) -> list[str] | None:
    """Send the units as one transaction; None if a condition failed, so that nothing was applied."""
    if guard is None:
        return await _try(client, units, [])
    partition = units[0][0][1]["PartitionKey"]
    for _ in range(_TRIES - 1):
        try:
            return await _try(client, units, [guard.operation(partition)])
        except _GuardMissing:
            await guard.restore(partition)
    return await _try(client, units, [guard.operation(partition)])


async def _try(client: TableClient, units: Sequence[Unit], guards: Sequence[Operation]) -> list[str] | None:
    operations = [*guards, *(operation for unit in units for operation in unit)]
    firsts = [len(guards) + sum(len(unit) for unit in units[:index]) for index in range(len(units))]
    try:
        with translating("writing to the table"):
            replies = await _send(client, operations)
            return [_etag(operations[first], replies[first]) for first in firsts]
    except (Conflict, Missing) as exc:
        if exc.code not in CONDITION_FAILED:
            raise
        if guards and isinstance(exc, Missing):
            raise _GuardMissing(exc.action, status=exc.status, code=exc.code, detail=exc.detail) from exc
        return None


def _etag(operation: Operation, reply: Mapping[str, Any]) -> str:
    """Return the ETag that was written; empty for what was deleted."""
    if operation[0] == "delete":
        return ""
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
