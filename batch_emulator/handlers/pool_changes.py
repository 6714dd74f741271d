"""Operations that change a pool: its properties and its size."""

import json

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode, invalid_property
from batch_emulator.handlers.pools import find_pool
from batch_emulator.model.package_references import references_of
from batch_emulator.model.pool_changes import (
    CHANGEABLE_WHEN_EMPTY,
    changed,
    read_pool_replacement,
    read_pool_update,
)
from batch_emulator.model.resizes import read_removal, read_resize
from batch_emulator.scheduling.allocation import Resize
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import AllocationState, DeallocationOption, PoolState


async def update_pool(call: Call) -> web.StreamResponse:
    changes = read_pool_update(await call.body())
    row = changeable_pool(call)
    _check_empty(call, row, changes)
    return _change(call, row, changes, 200)


async def replace_pool_properties(call: Call) -> web.StreamResponse:
    changes = read_pool_replacement(await call.body())
    return _change(call, changeable_pool(call), changes, 204)


def changeable_pool(call: Call) -> PoolRow:
    """Return the pool of the path. Raises PoolNotFound, ConditionNotMet or PoolBeingDeleted."""
    row = find_pool(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=False)
    if row.state == PoolState.DELETING:
        raise BatchError(ErrorCode.POOL_BEING_DELETED)
    return row


def _check_empty(call: Call, row: PoolRow, changes: Document) -> None:
    current = json.loads(row.document)
    fixed = [name for name in CHANGEABLE_WHEN_EMPTY if name in changes and changes[name] != current.get(name)]
    if fixed and (sum(call.service.store.nodes.kinds(row.no)) or row.allocation_state != AllocationState.STEADY):
        reason = f"{', '.join(fixed)} can be updated only when the pool is empty"
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason=reason)


def _change(call: Call, row: PoolRow, changes: Document, status: int) -> web.StreamResponse:
    call.service.applications.check(references_of(changes))
    call.service.images.check(changes)
    call.service.pools.change(row, changed(json.loads(row.document), changes))
    return answer(call, row, status)


def answer(call: Call, row: PoolRow, status: int) -> web.StreamResponse:
    """Answer a change with the pool's new version."""
    current = call.service.store.pools.by_number(row.no) or row
    return call.changed(status, current.modified)


async def resize_pool(call: Call) -> web.StreamResponse:
    request = read_resize(await call.body())
    row = changeable_pool(call)
    if json.loads(row.document)["enableAutoScale"]:
        reason = "The size of the pool follows its autoscale formula"
        raise BatchError(ErrorCode.OPERATION_NOT_VALID_ON_POOL, Reason=reason)
    check_steady(row)
    targets = {name: request[name] for name in request if name.startswith("target")}
    call.service.pools.resize(row, {**json.loads(row.document), **targets}, _resize(request))
    return answer(call, row, 202)


def check_steady(row: PoolRow) -> None:
    """Raise PoolBeingResized unless the pool is steady."""
    if row.allocation_state != AllocationState.STEADY:
        raise BatchError(ErrorCode.POOL_BEING_RESIZED)


def _resize(request: Document, leaving: frozenset[int] = frozenset()) -> Resize:
    option = DeallocationOption(request["nodeDeallocationOption"])
    return Resize(option=option, timeout=seconds_of(request["resizeTimeout"]), leaving=leaving)


async def stop_pool_resize(call: Call) -> web.StreamResponse:
    row = changeable_pool(call)
    if row.allocation_state == AllocationState.STEADY:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason="The pool is not being resized")
    if row.allocation_state == AllocationState.RESIZING:
        call.service.pools.stop_resize(row)
    return answer(call, row, 202)


async def remove_nodes(call: Call) -> web.StreamResponse:
    request = read_removal(await call.body())
    row = changeable_pool(call)
    check_steady(row)
    nodes = [_node(call, row, node_id) for node_id in dict.fromkeys(map(str.lower, request["nodeList"]))]
    document = json.loads(row.document)
    dedicated = sum(node.dedicated for node in nodes)
    now_dedicated, now_spot = call.service.store.nodes.kinds(row.no)
    targets = {
        "targetDedicatedNodes": now_dedicated - dedicated,
        "targetLowPriorityNodes": now_spot - (len(nodes) - dedicated),
    }
    resize = _resize(request, frozenset(node.no for node in nodes))
    call.service.pools.resize(row, {**document, **targets}, resize)
    return answer(call, row, 202)


def _node(call: Call, pool: PoolRow, node_id: str) -> NodeRow:
    row = call.service.store.nodes.get(pool.no, node_id)
    if row is None:
        raise invalid_property("nodeList", node_id, "The pool has no node of this id")
    return row
