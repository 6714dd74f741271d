"""Operations that change a task that has been added: its constraints, or a new life."""

import json

from aiohttp import web

from batch_emulator.call import Call, version_headers
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.jobs import check_open, find_job
from batch_emulator.handlers.tasks import find_task, task_rules
from batch_emulator.model.tasks import read_replacement
from batch_emulator.scheduling.runs import retention_end
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.states import TaskResult, TaskState


async def replace_task(call: Call) -> web.StreamResponse:
    body = await call.body()
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    constraints = read_replacement(body, task_rules(find_job(call, job_id)))
    document = json.dumps({**json.loads(row.document), "constraints": constraints})
    now = call.service.clock.stamp()
    with call.service.store.transaction():
        call.service.store.tasks.replace(row.no, document, now)
        _keep_files(call, row._replace(document=document))
    return call.changed(200, now)


def _keep_files(call: Call, row: TaskRow) -> None:
    """Let another retention time take effect where a completed task still has its files."""
    if row.files_until is None or row.ended is None:
        return
    until = retention_end(row, row.ended)
    call.service.store.tasks.keep_files_until(row.no, until)
    if until is not None:
        call.service.expiry.expect(until)


async def reactivate_task(call: Call) -> web.StreamResponse:
    """Let a task that has failed run again (SDK documentation of reactivate_task)."""
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    job = find_job(call, job_id)
    check_open(job)
    if row.state != TaskState.COMPLETED:
        raise BatchError(ErrorCode.TASK_NOT_COMPLETED)
    if row.result == TaskResult.SUCCESS:
        raise BatchError(ErrorCode.TASK_SUCCEEDED)
    now = call.service.clock.stamp()
    call.service.store.tasks.reactivate(row.no, now)
    call.service.dispatcher.wake(job.pool_id)
    # Unlike other changes, this one does not name itself (recording ``should_reactivate_a_task``).
    return call.nameless(204, version_headers(now))
