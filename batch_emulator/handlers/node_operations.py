"""Operations that make a node stop, start and take tasks."""

from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.nodes import find_node
from batch_emulator.model.node_requests import option_reader
from batch_emulator.model.schema import Reader
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.states import DeallocationOption, NodeState, PoolState, SchedulingState

_UP: Final = frozenset({NodeState.IDLE, NodeState.RUNNING, NodeState.OFFLINE, NodeState.START_TASK_FAILED})

_NOT_UP: Final = {
    NodeState.CREATING: ErrorCode.NODE_BEING_CREATED,
    NodeState.STARTING: ErrorCode.NODE_BEING_STARTED,
    NodeState.REBOOTING: ErrorCode.NODE_BEING_REBOOTED,
    NodeState.REIMAGING: ErrorCode.NODE_BEING_REIMAGED,
    NodeState.UNUSABLE: ErrorCode.NODE_STATE_UNUSABLE,
}

_reboot: Final = option_reader("nodeRebootOption")
_reimage: Final = option_reader("nodeReimageOption")
_deallocation: Final = option_reader("nodeDeallocateOption")
_disabling: Final = option_reader("nodeDisableSchedulingOption", waits_for_files=False)


async def _option(call: Call, read: Reader) -> DeallocationOption:
    """Read the optional body."""
    option: DeallocationOption = read("", await call.body() if call.request.body_exists else {})
    return option


def active_node(call: Call) -> NodeRow:
    """Return the node of the path. Raises PoolNotFound, NodeNotFound or PoolBeingDeleted."""
    pool, row = find_node(call)
    _check_active(pool)
    return row


def _check_active(pool: PoolRow) -> None:
    if pool.state == PoolState.DELETING:
        raise BatchError(ErrorCode.POOL_BEING_DELETED)


def check_up(row: NodeRow) -> None:
    """Raise the error that says why nothing can be asked of a node now."""
    state = NodeState(row.state)
    if state not in _UP:
        raise BatchError(_NOT_UP.get(state, ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE))


async def reboot_node(call: Call) -> web.StreamResponse:
    return await _restart(call, _reboot, NodeState.REBOOTING)


async def reimage_node(call: Call) -> web.StreamResponse:
    return await _restart(call, _reimage, NodeState.REIMAGING)


async def _restart(call: Call, read: Reader, state: NodeState) -> web.StreamResponse:
    option = await _option(call, read)
    row = active_node(call)
    check_up(row)
    call.service.nodes.restart(call.service.pools.member(row), state, option)
    return call.empty(202)


async def deallocate_node(call: Call) -> web.StreamResponse:
    option = await _option(call, _deallocation)
    row = active_node(call)
    check_up(row)
    call.service.nodes.deallocate(call.service.pools.member(row), option)
    return call.empty(202)


async def start_node(call: Call) -> web.StreamResponse:
    row = active_node(call)
    if row.state != NodeState.DEALLOCATED:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason="The node is not deallocated")
    call.service.nodes.start(call.service.pools.member(row))
    return call.empty(202)


async def disable_node_scheduling(call: Call) -> web.StreamResponse:
    """Keep tasks away; when the answer goes out, those that the option ends are gone."""
    option = await _option(call, _disabling)
    row = _scheduled_node(call, SchedulingState.DISABLED)
    await call.service.nodes.disable_scheduling(call.service.pools.member(row), option)
    return call.empty(200)


async def enable_node_scheduling(call: Call) -> web.StreamResponse:
    row = _scheduled_node(call, SchedulingState.ENABLED)
    call.service.nodes.enable_scheduling(call.service.pools.member(row))
    return call.empty(200)


def _scheduled_node(call: Call, target: SchedulingState) -> NodeRow:
    row = active_node(call)
    if row.scheduling == target:
        raise BatchError(ErrorCode.NODE_IN_TARGET_SCHEDULING_STATE)
    return row
