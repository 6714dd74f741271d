"""What can be done to a task that no client of the service can do."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.tasks import find_task
from batch_emulator.values.states import TaskState


async def expire_files(call: Call) -> web.StreamResponse:
    """Remove the files of a completed task, as at the end of their retention time."""
    row, job_id = find_task(call)
    if row.state != TaskState.COMPLETED:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE)
    await call.service.expiry.remove_files(row, job_id)
    return call.empty(204)
