"""Fault rules over HTTP."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import answer, read_json
from batch_emulator.errors import BatchError, ErrorCode


async def list_faults(call: Call) -> web.StreamResponse:
    return answer(call, {"faults": call.service.controls.faults.on_wire()})


async def add_faults(call: Call) -> web.StreamResponse:
    """Put one rule or several in force, all or none."""
    added = call.service.controls.faults.add(await read_json(call))
    return answer(call, {"faults": added}, 201)


async def clear_faults(call: Call) -> web.StreamResponse:
    call.service.controls.faults.clear()
    return call.empty(204)


async def remove_fault(call: Call) -> web.StreamResponse:
    fault_id = call.parameters[0]
    if not call.service.controls.faults.remove(fault_id):
        raise BatchError(ErrorCode.RESOURCE_NOT_FOUND, f"There is no fault rule {fault_id!r}.")
    return call.empty(204)
