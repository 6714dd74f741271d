"""Operations on the subtasks of a task."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.handlers.tasks import find_task
from batch_emulator.model.subtasks import SUBTASK_PROPERTIES, subtask_on_wire
from batch_emulator.model.tasks import node_info
from batch_emulator.odata.query import project, read_select


async def list_subtasks(call: Call) -> web.StreamResponse:
    """Answer all subtasks; "if the Task is not a multi-instance Task then this returns an empty collection"."""
    row, job_id = find_task(call)
    selected = read_select(call.query, SUBTASK_PROPERTIES)
    subtasks = call.service.store.subtasks.of_task(row.job_no, row.no)
    items = [
        project(subtask_on_wire(each, node_info(each.pool_id, each.node_id, job_id, row.id, call.endpoint)), selected)
        for each in subtasks
    ]
    return call.page("subtaskinfo", items, None)
