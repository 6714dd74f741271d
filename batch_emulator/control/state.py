"""The whole of the emulator's state: looking at it, and resetting it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import answer
from batch_emulator.errors import invalid_parameter
from batch_emulator.store.dump import Table, redacted
from batch_emulator.values.documents import Document

_ROWS: Final = 1000
_MOST_ROWS: Final = 10_000


async def dump_state(call: Call) -> web.StreamResponse:
    """Answer every table's size and newest rows (`?rows=`, 1000 by default), without secrets."""
    given = call.query.get("rows", str(_ROWS))
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) <= _MOST_ROWS):
        raise invalid_parameter("rows", given, f"A number up to {_MOST_ROWS} is expected")
    service = call.service
    state = {
        "running": [f"{run.job.id}/{run.task.id}" for run in service.runs.all()],
        "faults": redacted(service.controls.faults.on_wire()),
        "quotas": service.controls.quotas.limits.on_wire(),
    }
    # What is taken here is bounded; the redaction and the JSON of it take longer than others should wait.
    return await asyncio.to_thread(_answer, call, state, service.store.newest_rows(int(given)))


def _answer(call: Call, state: Document, tables: Mapping[str, Table]) -> web.Response:
    return answer(call, {**state, "tables": {name: table.shown() for name, table in tables.items()}})


async def reset(call: Call) -> web.StreamResponse:
    """Forget everything; answer when the emulator is as it starts on an empty location."""
    await call.service.reset()
    return call.empty(204)
