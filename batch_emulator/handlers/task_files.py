"""Operations on the files of a task."""

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.node_files import FileRoot
from batch_emulator.handlers import files
from batch_emulator.handlers.tasks import find_task
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.states import TaskState


def find_root(call: Call) -> FileRoot:
    """Return where a task's files are. Raises TaskFilesUnavailable et al."""
    row, job_id = find_task(call)
    if row.node_id is None:
        raise BatchError(ErrorCode.TASK_FILES_UNAVAILABLE)
    directory = call.service.directories.node(row.node_id).task(job_id, row.id).root
    if not directory.is_dir():
        raise BatchError(_why_missing(row))
    return FileRoot(directory=directory, url=f"{call.endpoint}/jobs/{job_id}/tasks/{row.id}/files")


def _why_missing(row: TaskRow) -> ErrorCode:
    cleaned = row.state == TaskState.COMPLETED and row.files_until is None
    return ErrorCode.TASK_FILES_CLEANEDUP if cleaned else ErrorCode.TASK_FILES_UNAVAILABLE


async def list_task_files(call: Call) -> web.StreamResponse:
    return await files.list_below(call, find_root(call))


async def get_task_file_properties(call: Call) -> web.StreamResponse:
    return await files.properties(call, find_root(call), call.parameters[2])


async def download_task_file(call: Call) -> web.StreamResponse:
    return await files.download(call, find_root(call), call.parameters[2])


async def delete_task_file(call: Call) -> web.StreamResponse:
    return await files.delete(call, find_root(call), call.parameters[2])
