"""Operations on job schedules."""

import json

from aiohttp import web

from batch_emulator.call import Call, version_headers
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.jobs import show_job
from batch_emulator.model.job_schedules import (
    JOB_SCHEDULE_PROPERTIES,
    job_schedule_on_wire,
    patched,
    read_job_schedule,
    replaced,
)
from batch_emulator.model.jobs import JOB_PROPERTIES
from batch_emulator.model.pool_info import auto_pool_packages
from batch_emulator.model.statistics import statistics_on_wire
from batch_emulator.odata.query import expands_stats, project, read_list_query, read_select
from batch_emulator.store.job_schedules import JOB_SCHEDULE_FILTER, SCHEDULED_JOB_FILTER, JobScheduleRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import JobScheduleState


def _find(call: Call) -> JobScheduleRow:
    """Return the job schedule of the path. Raises JobScheduleNotFound."""
    row = call.service.store.job_schedules.get(call.parameters[0])
    if row is None:
        raise BatchError(ErrorCode.JOB_SCHEDULE_NOT_FOUND)
    return row


def _find_for_change(call: Call) -> JobScheduleRow:
    """Return the job schedule of the path if the client's conditions hold."""
    row = _find(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    return row


def _check_open(row: JobScheduleRow) -> None:
    """Raise the error that says why a schedule cannot be changed any more."""
    match row.state:
        case JobScheduleState.COMPLETED:
            raise BatchError(ErrorCode.JOB_SCHEDULE_COMPLETED)
        case JobScheduleState.TERMINATING:
            raise BatchError(ErrorCode.JOB_SCHEDULE_BEING_TERMINATED)
        case JobScheduleState.DELETING:
            raise BatchError(ErrorCode.JOB_SCHEDULE_BEING_DELETED)


async def create_job_schedule(call: Call) -> web.StreamResponse:
    schedule = read_job_schedule(await call.body())
    schedule_id = schedule.pop("id")
    _check_new(call, schedule_id)
    _check_pool(call, schedule)
    call.service.controls.quotas.check_new_job(call.service.store)
    row = call.service.job_schedules.create(schedule_id, schedule)
    return call.created(f"/jobschedules/{schedule_id}", row.modified)


def _check_new(call: Call, schedule_id: str) -> None:
    store = call.service.store
    if (existing := store.job_schedules.get(schedule_id)) is not None:
        deleting = existing.state == JobScheduleState.DELETING
        raise BatchError(ErrorCode.JOB_SCHEDULE_BEING_DELETED if deleting else ErrorCode.JOB_SCHEDULE_EXISTS)
    if store.jobs.get(schedule_id) is not None:
        raise BatchError(ErrorCode.JOB_WITH_SAME_ID_EXISTS)


def _check_pool(call: Call, schedule: Document) -> None:
    call.service.applications.check(auto_pool_packages(schedule["jobSpecification"]))
    call.service.images.check_job(schedule["jobSpecification"])


async def get_job_schedule(call: Call) -> web.StreamResponse:
    row = _find(call)
    check_conditions(call.request.headers, row.modified, reading=True)
    selected = read_select(call.query, JOB_SCHEDULE_PROPERTIES)
    return call.entity("jobschedules", project(_wire(call, row), selected), row.modified)


def _wire(call: Call, row: JobScheduleRow) -> Document:
    creating = row.state in {JobScheduleState.ACTIVE, JobScheduleState.DISABLED}
    next_run = call.service.job_schedules.outlook(row).next if creating else None
    schedule = job_schedule_on_wire(row, next_run, call.endpoint)
    if expands_stats(call.query):
        now = call.service.clock.stamp()
        totals = call.service.store.job_schedules.totals(row.id, now)
        schedule["stats"] = statistics_on_wire(schedule["url"], row.created, now, totals)
    return schedule


async def job_schedule_exists(call: Call) -> web.StreamResponse:
    row = _find(call)
    check_conditions(call.request.headers, row.modified, reading=True)
    return call.empty(200, version_headers(row.modified))


async def list_job_schedules(call: Call) -> web.StreamResponse:
    selected = read_select(call.query, JOB_SCHEDULE_PROPERTIES)
    query = read_list_query(call.query, JOB_SCHEDULE_FILTER)
    rows, more = call.service.store.job_schedules.page(query)
    items = [project(_wire(call, row), selected) for row in rows]
    return call.page("jobschedules", items, rows[-1].id if more else None)


async def list_jobs_from_schedule(call: Call) -> web.StreamResponse:
    row = _find(call)
    selected = read_select(call.query, JOB_PROPERTIES)
    query = read_list_query(call.query, SCHEDULED_JOB_FILTER)
    jobs, more = call.service.store.job_schedules.page_of_jobs(row.id, query)
    items = [project(show_job(call, job), selected) for job in jobs]
    return call.page("jobs", items, jobs[-1].id if more else None)


async def update_job_schedule(call: Call) -> web.StreamResponse:
    body = await call.body()
    row = _find_for_change(call)
    _check_open(row)
    schedule = patched(json.loads(row.document), body)
    _check_pool(call, schedule)
    return call.changed(200, call.service.job_schedules.update(row, schedule))


async def replace_job_schedule(call: Call) -> web.StreamResponse:
    body = await call.body()
    row = _find_for_change(call)
    _check_open(row)
    schedule = replaced(json.loads(row.document), body)
    _check_pool(call, schedule)
    return call.changed(200, call.service.job_schedules.update(row, schedule))


async def disable_job_schedule(call: Call) -> web.StreamResponse:
    row = _find_for_change(call)
    _check_open(row)
    if row.state == JobScheduleState.DISABLED:
        raise BatchError(ErrorCode.JOB_SCHEDULE_DISABLED)
    return call.changed(204, call.service.job_schedules.set_state(row, JobScheduleState.DISABLED))


async def enable_job_schedule(call: Call) -> web.StreamResponse:
    """Let a schedule create jobs again; one that does already is left as it is."""
    row = _find_for_change(call)
    _check_open(row)
    if row.state == JobScheduleState.ACTIVE:
        return call.changed(204, row.modified)
    return call.changed(204, call.service.job_schedules.set_state(row, JobScheduleState.ACTIVE))


async def terminate_job_schedule(call: Call) -> web.StreamResponse:
    row = _find_for_change(call)
    _check_open(row)
    return call.changed(202, call.service.job_schedules.terminate(row))


async def delete_job_schedule(call: Call) -> web.StreamResponse:
    row = _find_for_change(call)
    if row.state == JobScheduleState.DELETING:
        raise BatchError(ErrorCode.JOB_SCHEDULE_BEING_DELETED)
    call.service.job_schedules.delete(row)
    return call.empty(202)
