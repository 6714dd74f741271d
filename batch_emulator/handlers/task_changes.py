"""Operations that change a task that has been added: its constraints, or a new life."""

from aiohttp import web

from batch_emulator.call import Call, version_headers
from batch_emulator.conditions import check_conditions
from batch_emulator.handlers.jobs import check_open, find_job
from batch_emulator.handlers.tasks import find_task, task_rules
from batch_emulator.model.tasks import read_replacement


async def replace_task(call: Call) -> web.StreamResponse:
    body = await call.body()
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    constraints = read_replacement(body, task_rules(find_job(call, job_id)))
    return call.changed(200, call.service.tasks.constrain(row, constraints))


async def reactivate_task(call: Call) -> web.StreamResponse:
    """Let a task that has failed run again."""
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    job = find_job(call, job_id)
    check_open(job)
    now = call.service.tasks.reactivate(row, job)
    # Unlike other changes, this one does not name itself (recording `should_reactivate_a_task`).
    return call.nameless(204, version_headers(now))
