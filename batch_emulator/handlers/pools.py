"""Operations on pools."""

from typing import Final

from aiohttp import web

from batch_emulator.call import Call, version_headers
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.model.nodes import node_counts_on_wire
from batch_emulator.model.package_references import references_of
from batch_emulator.model.pools import POOL_PROPERTIES, pool_on_wire, read_pool
from batch_emulator.odata.query import project, read_list_query, read_select
from batch_emulator.odata.sql import Property, name_property
from batch_emulator.store.pools import POOL_FILTER, PoolRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import PoolState

#: What the filter of "list pool node counts" may name.
_COUNTS_FILTER: Final[dict[str, Property]] = {"poolId": name_property("id")}


def find_pool(call: Call, pool_id: str) -> PoolRow:
    """Return the pool. Raises PoolNotFound."""
    row = call.service.store.pools.get(pool_id)
    if row is None:
        raise BatchError(ErrorCode.POOL_NOT_FOUND)
    return row


async def create_pool(call: Call) -> web.StreamResponse:
    pool = read_pool(await call.body())
    pool_id = pool.pop("id")
    check_new(call.service.store.pools.get(pool_id))
    call.service.applications.check(references_of(pool))
    call.service.images.check(pool)
    call.service.controls.quotas.check_new_pool(call.service.store)
    row = call.service.pools.create(pool_id, pool)
    return call.created(f"/pools/{pool_id}", row.created)


def check_new(existing: PoolRow | None) -> None:
    """Raise PoolExists or PoolBeingDeleted if there is a pool of this id."""
    if existing is not None:
        deleting = existing.state == PoolState.DELETING
        raise BatchError(ErrorCode.POOL_BEING_DELETED if deleting else ErrorCode.POOL_EXISTS)


async def get_pool(call: Call) -> web.StreamResponse:
    row = find_pool(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=True)
    pool = project(_wire(call, row), read_select(call.query, POOL_PROPERTIES))
    return call.entity("pools", pool, row.modified)


def _wire(call: Call, row: PoolRow) -> Document:
    return pool_on_wire(row, call.service.store.nodes.kinds(row.no), call.endpoint)


async def pool_exists(call: Call) -> web.StreamResponse:
    row = find_pool(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=True)
    return call.empty(200, version_headers(row.modified))


async def list_pools(call: Call) -> web.StreamResponse:
    selected = read_select(call.query, POOL_PROPERTIES)
    rows, more = call.service.store.pools.page(read_list_query(call.query, POOL_FILTER))
    items = [project(_wire(call, row), selected) for row in rows]
    return call.page("pools", items, rows[-1].id if more else None)


async def delete_pool(call: Call) -> web.StreamResponse:
    row = find_pool(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=False)
    if row.state == PoolState.DELETING:
        raise BatchError(ErrorCode.POOL_BEING_DELETED)
    call.service.pools.delete(row)
    return call.empty(202)


async def list_pool_node_counts(call: Call) -> web.StreamResponse:
    rows, more = call.service.store.pools.page(read_list_query(call.query, _COUNTS_FILTER))
    nodes = call.service.store.nodes
    items: list[Document] = [
        {
            "poolId": row.id,
            "dedicated": node_counts_on_wire(nodes.states(row.no, dedicated=True)),
            "lowPriority": node_counts_on_wire(nodes.states(row.no, dedicated=False)),
        }
        for row in rows
    ]
    return call.page("poolnodecounts", items, rows[-1].id if more else None)
