"""Operations on the nodes of a pool."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.pools import find_pool
from batch_emulator.model.nodes import NODE_PROPERTIES, node_on_wire
from batch_emulator.odata.query import project, read_list_query, read_select
from batch_emulator.store.nodes import NODE_FILTER, NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document


def find_node(call: Call) -> tuple[PoolRow, NodeRow]:
    """Return the node of the path, and its pool. Raises PoolNotFound or NodeNotFound."""
    pool = find_pool(call, call.parameters[0])
    row = call.service.store.nodes.get(pool.no, call.parameters[1])
    if row is None:
        raise BatchError(ErrorCode.NODE_NOT_FOUND)
    return pool, row


async def get_node(call: Call) -> web.StreamResponse:
    pool, row = find_node(call)
    node = project(_wire(call, row, pool), read_select(call.query, NODE_PROPERTIES))
    return call.entity("nodes", node, modified=None)


async def list_nodes(call: Call) -> web.StreamResponse:
    pool = find_pool(call, call.parameters[0])
    selected = read_select(call.query, NODE_PROPERTIES)
    rows, more = call.service.store.nodes.page(pool.no, read_list_query(call.query, NODE_FILTER))
    items = [project(_wire(call, row, pool), selected) for row in rows]
    return call.page("nodes", items, rows[-1].id if more else None)


def _wire(call: Call, row: NodeRow, pool: PoolRow) -> Document:
    pools = call.service.pools
    return node_on_wire(row, pool, pools.load(row), pools.recent_tasks(row), call.endpoint)
