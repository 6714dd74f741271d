"""Operations on jobs."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.model.jobs import (
    JOB_PROPERTIES,
    USER_TERMINATE,
    job_on_wire,
    read_job,
)
from batch_emulator.model.pool_info import auto_pool_packages
from batch_emulator.model.schema import record, text
from batch_emulator.model.statistics import statistics_on_wire
from batch_emulator.model.tasks import task_counts_on_wire
from batch_emulator.odata.query import expands_stats, project, read_list_query, read_select
from batch_emulator.store.jobs import JOB_FILTER, JobRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import JobState, PoolState

_read_termination = record({"terminateReason": text})


def find_job(call: Call, job_id: str) -> JobRow:
    """Return the job. Raises JobNotFound."""
    row = call.service.store.jobs.get(job_id)
    if row is None:
        raise BatchError(ErrorCode.JOB_NOT_FOUND)
    return row


async def create_job(call: Call) -> web.StreamResponse:
    job = read_job(await call.body())
    job_id = job.pop("id")
    _check_new(call, job_id, job["poolInfo"].get("poolId"))
    call.service.applications.check(auto_pool_packages(job))
    call.service.images.check_job(job)
    call.service.controls.quotas.check_new_job(call.service.store)
    with call.service.store.transaction():
        row = call.service.jobs.create(job_id, job, call.service.auto_pools.pool_of(job))
    # The service answers this address whatever the job's id (recording of the real service).
    return call.created("/jobs/job-1", row.created)


def _check_new(call: Call, job_id: str, pool_id: str | None) -> None:
    """Refuse an id in use, and a pool on its way out; a pool that is not there yet is fine.

    "The Batch service will not reject the Job request; it will simply not run Tasks until the Pool
    exists" (SDK documentation of BatchPoolInfo.poolId).
    """
    existing = call.service.store.jobs.get(job_id)
    if existing is not None:
        deleting = existing.state == JobState.DELETING
        raise BatchError(ErrorCode.JOB_BEING_DELETED if deleting else ErrorCode.JOB_EXISTS)
    if call.service.store.job_schedules.get(job_id) is not None:
        raise BatchError(ErrorCode.JOB_SCHEDULE_WITH_SAME_ID_EXISTS)
    pool = call.service.store.pools.get(pool_id) if pool_id else None
    if pool is not None and pool.state == PoolState.DELETING:
        raise BatchError(ErrorCode.POOL_BEING_DELETED)


async def get_job(call: Call) -> web.StreamResponse:
    row = find_job(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=True)
    job = project(show_job(call, row), read_select(call.query, JOB_PROPERTIES))
    return call.entity("jobs", job, row.modified)


def show_job(call: Call, row: JobRow) -> Document:
    """Return a job as the service shows it, with statistics if the call asks for them."""
    awaited = call.service.jobs.releases.due(row) if row.state == JobState.TERMINATING else 0
    job = job_on_wire(row, awaited, call.endpoint)
    if expands_stats(call.query):
        now = call.service.clock.stamp()
        totals = call.service.store.tasks.totals(row.no, now)
        job["stats"] = statistics_on_wire(job["url"], row.created, now, totals)
    return job


async def list_jobs(call: Call) -> web.StreamResponse:
    selected = read_select(call.query, JOB_PROPERTIES)
    rows, more = call.service.store.jobs.page(read_list_query(call.query, JOB_FILTER))
    items = [project(show_job(call, row), selected) for row in rows]
    return call.page("jobs", items, rows[-1].id if more else None)


async def delete_job(call: Call) -> web.StreamResponse:
    row = find_job(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=False)
    if row.state == JobState.DELETING:
        raise BatchError(ErrorCode.JOB_BEING_DELETED)
    call.service.jobs.delete(row, force=_is_forced(call))
    return call.empty(202)


async def terminate_job(call: Call) -> web.StreamResponse:
    # The body is optional: without it the only reason is the user's request.
    body = await call.body() if call.request.body_exists else {}
    reason = _read_termination("", body).get("terminateReason", USER_TERMINATE)
    row = find_job(call, call.parameters[0])
    check_conditions(call.request.headers, row.modified, reading=False)
    check_open(row)
    call.service.jobs.terminate(row, reason, force=_is_forced(call))
    return changed_job(call, row, 202)


def _is_forced(call: Call) -> bool:
    return call.query.get("force", "").lower() == "true"


def changed_job(call: Call, row: JobRow, status: int) -> web.StreamResponse:
    """Answer a change of a job with its new version (recording of the real service)."""
    return call.changed(status, find_job(call, row.id).modified)


def check_open(row: JobRow) -> None:
    """Raise the error that says why a job takes no tasks and cannot be terminated."""
    match row.state:
        case JobState.COMPLETED:
            raise BatchError(ErrorCode.JOB_COMPLETED)
        case JobState.TERMINATING:
            raise BatchError(ErrorCode.JOB_BEING_TERMINATED)
        case JobState.DELETING:
            raise BatchError(ErrorCode.JOB_BEING_DELETED)


async def get_job_task_counts(call: Call) -> web.StreamResponse:
    row = find_job(call, call.parameters[0])
    counts = task_counts_on_wire(call.service.store.tasks.counts(row.no))
    if not call.version.has_task_slots:
        counts = counts["taskCounts"]
    metadata = f"{call.endpoint}/$metadata#taskcountsresult/@Element"
    return call.json({"odata.metadata": metadata, **counts})
