"""Operations on the tasks of a job."""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode, invalid_property, missing_property
from batch_emulator.handlers.jobs import check_open, find_job
from batch_emulator.model.package_references import references_of
from batch_emulator.model.statistics import task_statistics_on_wire
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.model.tasks import TASK_PROPERTIES, read_task, task_in_json, task_on_wire
from batch_emulator.odata.query import expands_stats, project, read_list_query, read_select
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.tasks import TASK_FILTER, TaskRow
from batch_emulator.values.documents import Document, to_json
from batch_emulator.values.timestamps import etag_of

#: Most tasks of one addtaskcollection request.
MAX_COLLECTION: Final = 100


def find_task(call: Call) -> tuple[TaskRow, str]:
    """Return the task of the path, and its job's id. Raises JobNotFound or TaskNotFound."""
    job_id, task_id = call.parameters[:2]
    found = call.service.store.tasks.get(job_id, task_id)
    if found is None:
        find_job(call, job_id)
        raise BatchError(ErrorCode.TASK_NOT_FOUND)
    return found


async def create_task(call: Call) -> web.StreamResponse:
    body = await call.body()
    job = find_job(call, call.parameters[0])
    check_open(job)
    call.service.controls.quotas.check_new_tasks(1)
    now = call.service.clock.stamp()
    task_id = _insert(call, job, body, task_rules(job), now)
    call.service.dispatcher.wake(job.pool_id)
    return call.created(f"/jobs/{job.id}/tasks/{task_id}", now)


def task_rules(job: JobRow) -> TaskRules:
    return TaskRules.of_job(json.loads(job.document))


def _insert(call: Call, job: JobRow, body: object, rules: TaskRules, now: str) -> str:
    """Add one task and return its id. Raises TaskExists and what validation raises."""
    task = read_task(body, rules)
    call.service.applications.check_named(references_of(task))
    task_id: str = task.pop("id")
    if not call.service.tasks.add(job.no, task_id, task, now):
        raise BatchError(ErrorCode.TASK_EXISTS)
    return task_id


async def create_task_collection(call: Call) -> web.StreamResponse:
    """Add up to 100 tasks, each with its own result; one bad task does not stop the others."""
    bodies = _collection(await call.body())
    job = find_job(call, call.parameters[0])
    check_open(job)
    call.service.controls.quotas.check_new_tasks(len(bodies))
    # https://github.com/Azure/azure-sdk-for-python/issues/42399
    rules = replace(task_rules(job), without_dependencies=ErrorCode.UNSUPPORTED_PROPERTY)
    with call.service.store.transaction():
        results = [_add_one(call, job, body, rules) for body in bodies]
    call.service.dispatcher.wake(job.pool_id)
    return call.json({"odata.metadata": f"{call.endpoint}/$metadata#taskaddresult", "value": results})


def _collection(body: Document) -> list[object]:
    bodies = body.get("value")
    if bodies is None:
        raise missing_property("value")
    if not isinstance(bodies, list):
        raise invalid_property("value", "", "A list of tasks is expected")
    if len(bodies) > MAX_COLLECTION:
        reason = f"At most {MAX_COLLECTION} tasks can be added at once"
        raise invalid_property("value", len(bodies), reason)
    return bodies


def _add_one(call: Call, job: JobRow, body: object, rules: TaskRules) -> Document:
    if call.item_fault and (fault := call.item_fault()):
        blame = "clienterror" if fault.error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "servererror"
        return {**_add_error(call, job, body, fault), "status": blame}
    now = call.service.clock.stamp()
    try:
        task_id = _insert(call, job, body, rules, now)
    except BatchError as exc:
        return _add_error(call, job, body, exc)
    return {
        "status": "Success",
        "taskId": task_id,
        "eTag": etag_of(now),
        "lastModified": now,
        "location": f"{call.endpoint}/jobs/{job.id}/tasks/{task_id}",
    }


def _add_error(call: Call, job: JobRow, body: object, exc: BatchError) -> Document:
    task_id = str(body.get("id", "")) if isinstance(body, dict) else ""
    request_id = call.common_headers["request-id"]
    message = f"{exc.message}\nRequestId:{request_id}\nTime:{call.service.clock.stamp()}"
    error: Document = {
        "code": exc.error.code,
        "message": {"lang": "en-US", "value": message},
        "values": exc.values,
    }
    location = f"{call.endpoint}/jobs/{job.id}/tasks/{task_id}"
    return {"status": "clienterror", "taskId": task_id, "error": error, "location": location}


async def get_task(call: Call) -> web.StreamResponse:
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=True)
    selected = read_select(call.query, TASK_PROPERTIES)
    return call.entity_in_json("tasks", _show(call, row, job_id, selected), row.modified)


def _show(call: Call, row: TaskRow, job_id: str, selected: tuple[str, ...]) -> str:
    """Return the JSON of a task as the call asks for it: selected properties, statistics."""
    if not selected and not expands_stats(call.query):
        return task_in_json(row, job_id, call.endpoint)
    task = task_on_wire(row, job_id, call.endpoint)
    if expands_stats(call.query):
        task["stats"] = task_statistics_on_wire(row, task["url"], call.service.clock.stamp())
    return to_json(project(task, selected))


async def list_tasks(call: Call) -> web.StreamResponse:
    job = find_job(call, call.parameters[0])
    selected = read_select(call.query, TASK_PROPERTIES)
    query = read_list_query(call.query, TASK_FILTER)
    rows, more = call.service.store.tasks.page(job.no, query)
    items = [_show(call, row, job.id, selected) for row in rows]
    return call.page_in_json("tasks", items, query.key(rows[-1]) if more else None)


async def terminate_task(call: Call) -> web.StreamResponse:
    """End a task; when the answer goes out its processes are gone and its state is completed."""
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    await call.service.tasks.terminate(row, job_id)
    # Looked up again: another request may have deleted the task while its processes were being ended.
    ended, _ = find_task(call)
    return call.changed(204, ended.modified)


async def delete_task(call: Call) -> web.StreamResponse:
    """Remove a task; when the answer goes out its processes and its files are gone."""
    row, job_id = find_task(call)
    check_conditions(call.request.headers, row.modified, reading=False)
    await call.service.tasks.delete(row, job_id)
    return call.empty(200)
