"""Operations on the automatic scaling of pools."""

import json

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.pool_changes import answer, changeable_pool, check_steady
from batch_emulator.model.auto_scale import read_enabling, read_evaluation, run_on_wire, without_auto_scale
from batch_emulator.values.timestamps import to_wire


async def enable_pool_auto_scale(call: Call) -> web.StreamResponse:
    """Enable autoscale; the formula is evaluated before the answer goes out."""
    body = await call.body() if call.request.body_exists else {}
    row = changeable_pool(call)
    document = read_enabling(body, json.loads(row.document))
    check_steady(row)
    call.service.auto_scale.enable(row, document)
    return answer(call, row, 200)


async def disable_pool_auto_scale(call: Call) -> web.StreamResponse:
    row = changeable_pool(call)
    call.service.auto_scale.disable(row, without_auto_scale(json.loads(row.document)))
    return answer(call, row, 200)


async def evaluate_pool_auto_scale(call: Call) -> web.StreamResponse:
    """Evaluate a formula; what is wrong with it is part of the answer, as in recordings of the real service."""
    formula = read_evaluation(await call.body())
    row = changeable_pool(call)
    if not json.loads(row.document)["enableAutoScale"]:
        raise BatchError(ErrorCode.OPERATION_NOT_VALID_ON_POOL, Reason="Automatic scaling of the pool is not enabled")
    evaluation, now = call.service.auto_scale.evaluate(row, formula)
    container = "Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun"
    metadata = f"{call.endpoint}/$metadata#{container}"
    return call.json({"odata.metadata": metadata, **run_on_wire(evaluation, to_wire(now))}, call.identity)
