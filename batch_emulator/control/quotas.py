"""Quotas over HTTP."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import answer, read_json
from batch_emulator.faults.quotas import read_limits


async def get_quotas(call: Call) -> web.StreamResponse:
    return answer(call, call.service.controls.quotas.limits.on_wire())


async def set_quotas(call: Call) -> web.StreamResponse:
    """Replace all limits: what is not named has none any more."""
    call.service.controls.quotas.set(read_limits(await read_json(call)))
    return await get_quotas(call)
