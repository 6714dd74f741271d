"""What can happen to nodes, on demand."""

from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import read_json
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.faults.form import Form, Invalid
from batch_emulator.handlers.pools import find_pool

#: Means the node that runs the most tasks, the oldest of equals.
_ANY: Final = "any"


async def lose(call: Call) -> web.StreamResponse:
    """Let a node vanish with its files; `replace`: a new one boots in its place."""
    form = await _options(call)
    replace = form.flag("replace")
    _check(form)
    await call.service.node_failures.lose(*_node(call), replace=replace)
    return call.empty(204)


async def preempt(call: Call) -> web.StreamResponse:
    await call.service.node_failures.preempt(*_node(call))
    return call.empty(204)


async def make_unusable(call: Call) -> web.StreamResponse:
    """Break a node; `code` and `message` are the error that it shows."""
    form = await _options(call)
    code, message = form.text("code") or "Unusable", form.text("message") or ""
    _check(form)
    await call.service.node_failures.make_unusable(*_node(call), code, message)
    return call.empty(204)


async def make_unknown(call: Call) -> web.StreamResponse:
    await call.service.node_failures.make_unknown(*_node(call))
    return call.empty(204)


async def recover(call: Call) -> web.StreamResponse:
    call.service.node_failures.recover(*_node(call))
    return call.empty(204)


async def fail_start_task(call: Call) -> web.StreamResponse:
    """Let a node's start task have failed, with `exitCode`."""
    form = await _options(call)
    code = form.whole("exitCode", 1, 255)
    _check(form)
    await call.service.node_failures.fail_start_task(*_node(call), code or 1)
    return call.empty(204)


async def fail_next_start_tasks(call: Call) -> web.StreamResponse:
    """Let the next `count` runs of start tasks in a pool fail."""
    form = await _options(call)
    count = form.whole("count", 1, 1000)
    _check(form)
    call.service.node_failures.fail_next_start_tasks(find_pool(call, call.parameters[0]).id, count or 1)
    return call.empty(204)


async def _options(call: Call) -> Form:
    """Open the body, which is optional. Raises Invalid."""
    document = await read_json(call) if call.request.body_exists else {}
    return Form.of(document, "options", [])


def _check(form: Form) -> None:
    form.close()
    if form.problems:
        raise Invalid(form.problems)


def _node(call: Call) -> tuple[str, str]:
    """Return the ids of the pool and the node. Raises PoolNotFound or NodeNotFound."""
    pool_id, node_id = call.parameters[:2]
    if node_id != _ANY:
        return pool_id, node_id
    pool = find_pool(call, pool_id)
    nodes = call.service.store.nodes.of_pool(pool.no)
    if not nodes:
        raise BatchError(ErrorCode.NODE_NOT_FOUND)
    return pool_id, max(nodes, key=call.service.pools.load).id
