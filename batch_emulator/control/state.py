"""The whole of the emulator's state: looking at it, and beginning anew."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import answer
from batch_emulator.errors import invalid_parameter

_ROWS = 1000


async def dump_state(call: Call) -> web.StreamResponse:
    """Answer every table's size and newest rows (``?rows=``, 1000 by default), without secrets."""
    given = call.query.get("rows", str(_ROWS))
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise invalid_parameter("rows", given, "A number is expected")
    service = call.service
    state = {
        "running": [f"{run.job.id}/{run.task.id}" for run in service.runs.all()],
        "faults": service.controls.faults.on_wire(),
        "quotas": service.controls.quotas.limits.on_wire(),
        "tables": service.store.dump(int(given)),
    }
    return answer(call, state)


async def reset(call: Call) -> web.StreamResponse:
    """Forget everything; answer when the emulator is as it starts on an empty location."""
    await call.service.controls.reset()
    return call.empty(204)
