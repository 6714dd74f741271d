"""Operations on what a job's own tasks did on each node."""

import json

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.jobs import find_job
from batch_emulator.model.job_nodes import JOB_NODE_PROPERTIES, job_node_on_wire
from batch_emulator.odata.query import project, read_list_query, read_select
from batch_emulator.store.job_nodes import JOB_NODE_FILTER


async def list_status(call: Call) -> web.StreamResponse:
    row = find_job(call, call.parameters[0])
    job = json.loads(row.document)
    if "jobPreparationTask" not in job and "jobReleaseTask" not in job:
        raise BatchError(ErrorCode.JOB_PREPARATION_TASK_OR_RELEASE_TASK_NOT_SPECIFIED)
    selected = read_select(call.query, JOB_NODE_PROPERTIES)
    rows, more = call.service.store.job_nodes.page(row.no, read_list_query(call.query, JOB_NODE_FILTER))
    items = [project(job_node_on_wire(node, row.id, job, call.endpoint), selected) for node in rows]
    return call.page("jobpreparationandreleasetaskstatuslist", items, rows[-1].id if more else None)
