"""Operations that change a job: its properties, and whether its tasks run."""

import json
from collections.abc import Callable
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.jobs import changed_job, check_open, find_job
from batch_emulator.model.job_changes import read_job_replacement, read_job_update
from batch_emulator.model.pool_info import check_change
from batch_emulator.model.schema import one_of, record
from batch_emulator.store.jobs import JobRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import DisableTasks, JobState

_read_disabling: Final = record({"disableTasks": one_of(*DisableTasks)}, frozenset({"disableTasks"}))
_CAN_BE_DISABLED: Final = frozenset({JobState.ACTIVE, JobState.DISABLING, JobState.DISABLED})


async def update_job(call: Call) -> web.StreamResponse:
    return await _change(call, read_job_update)


async def replace_job(call: Call) -> web.StreamResponse:
    return await _change(call, read_job_replacement)


async def _change(call: Call, read: Callable[[Document, Document], Document]) -> web.StreamResponse:
    body = await call.body()
    row = _open_job(call)
    current = json.loads(row.document)
    job = read(body, current)
    if job["poolInfo"] != current["poolInfo"]:
        check_change(current["poolInfo"], job["poolInfo"])
        _check_disabled(row)
    call.service.jobs.change(row, job)
    if "poolId" in job["poolInfo"]:
        call.service.auto_pools.release_own(row)
    return changed_job(call, row, 200)


def _open_job(call: Call) -> JobRow:
    row = find_job(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=False)
    check_open(row)
    return row


def _check_disabled(row: JobRow) -> None:
    """Raise unless a job is disabled; only then may its pool change (documentation of poolInfo)."""
    if row.state != JobState.DISABLED:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason="The job is not disabled")


async def disable_job(call: Call) -> web.StreamResponse:
    tasks = DisableTasks(_read_disabling("", await call.body())["disableTasks"])
    row = _open_job(call)
    if row.state not in _CAN_BE_DISABLED:
        raise BatchError(ErrorCode.JOB_NOT_ACTIVE)
    call.service.jobs.switching.disable(row, tasks)
    return changed_job(call, row, 202)


async def enable_job(call: Call) -> web.StreamResponse:
    row = _open_job(call)
    _check_disabled(row)
    call.service.jobs.switching.enable(row)
    return changed_job(call, row, 202)
