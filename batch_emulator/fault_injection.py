"""Lets the fault rules take hold of one request."""

import asyncio
from urllib.parse import unquote

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError
from batch_emulator.faults.registry import Faults
from batch_emulator.faults.rules import Answer, Fault, When
from batch_emulator.routing import Handler


async def perform(faults: Faults, operation: str, handler: Handler, call: Call) -> web.StreamResponse:
    """Answer a call as the rules want it; without one that matches, as the handler does.

    Raises BatchError for an answer by a rule, ConnectionResetError for a connection that was cut.
    """
    method, path = call.request.method, unquote(call.path)
    hits = faults.strike(operation, method, path)
    await _strike([fault for fault in hits if fault.when is When.BEFORE], call)
    call.item_fault = lambda: _item_error(faults.strike_item(operation, method, path))
    late = [fault for fault in hits if fault.when is When.AFTER]
    try:
        response = await handler(call)
    except BatchError:
        await _strike(late, call)
        raise
    if response.prepared and any(fault.is_final for fault in late):
        # Its beginning has been sent: there is no other answer to give any more.
        raise _cut(call)
    await _strike(late, call)
    return response


async def _strike(faults: list[Fault], call: Call) -> None:
    for fault in faults:
        await asyncio.sleep(fault.delay)
        if fault.cut:
            raise _cut(call)
        if fault.answer is not None:
            raise _error(fault.answer, fault.id)


def _item_error(fault: Fault | None) -> BatchError | None:
    return _error(fault.items, fault.id) if fault and fault.items else None


def _error(answer: Answer, fault_id: str) -> BatchError:
    """Build the refusal; it names the rule, so that nobody looks for the mistake elsewhere."""
    error = BatchError(answer.error, EmulatorFault=fault_id)
    error.retry_after = answer.retry_after
    return error


def _cut(call: Call) -> ConnectionResetError:
    transport = call.request.transport
    if transport is not None:
        transport.abort()
    return ConnectionResetError("Cut by a fault rule")
