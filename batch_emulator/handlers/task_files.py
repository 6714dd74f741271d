"""Operations on the files of a task."""

from pathlib import Path
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode, invalid_parameter
from batch_emulator.handlers.file_content import file_headers, send_file
from batch_emulator.handlers.tasks import find_task
from batch_emulator.model.files import FileEntry, find_file, list_files
from batch_emulator.model.states import TaskState
from batch_emulator.odata.filter import Combination, Filter, Operator
from batch_emulator.odata.query import read_filter, read_max_results, read_skip_token
from batch_emulator.store.tasks import TaskRow

_TRUE: Final = "true"


def _task_root(call: Call) -> tuple[Path, str]:
    """Return a task's directory and the URL of its files. Raises TaskFilesUnavailable et al."""
    row, job_id = find_task(call)
    if row.node_id is None:
        raise BatchError(ErrorCode.TASK_FILES_UNAVAILABLE)
    root = call.service.directories.node(row.node_id).task(job_id, row.id).root
    if not root.is_dir():
        raise BatchError(_why_missing(row))
    return root, f"{call.endpoint}/jobs/{job_id}/tasks/{row.id}/files"


def _why_missing(row: TaskRow) -> ErrorCode:
    cleaned = row.state == TaskState.COMPLETED and row.files_until is None
    return ErrorCode.TASK_FILES_CLEANEDUP if cleaned else ErrorCode.TASK_FILES_UNAVAILABLE


def _task_file(call: Call) -> FileEntry:
    """Return the file of the path. Raises FileNotFound."""
    root, url = _task_root(call)
    entry = find_file(root, call.parameters[2], url)
    if entry is None:
        raise BatchError(ErrorCode.FILE_NOT_FOUND)
    return entry


async def list_task_files(call: Call) -> web.StreamResponse:
    root, url = _task_root(call)
    recursive = call.query.get("recursive", "").lower() == _TRUE
    prefixes = _prefixes(call, read_filter(call.query))
    after, limit = read_skip_token(call.query), read_max_results(call.query)
    names = [
        name
        for name in list_files(root, recursive=recursive)
        if (after is None or name > after) and _starts(name, prefixes)
    ]
    entries = [find_file(root, name, url) for name in names[:limit]]
    items = [entry.on_wire() for entry in entries if entry is not None]
    return call.page("files", items, names[limit - 1] if len(names) > limit else None)


def _prefixes(call: Call, tree: Filter | None) -> list[str]:
    """Return the alternatives of ``startswith(name, ...)``: all that file lists document."""
    if tree is None:
        return []
    terms = tree.terms if isinstance(tree, Combination) and tree.word == "or" else (tree,)
    prefixes = []
    for term in terms:
        if isinstance(term, Combination) or term.path != "name" or term.operator is not Operator.STARTS_WITH:
            reason = "Lists of files take startswith(name, '...') only"
            raise invalid_parameter("$filter", call.query["$filter"], reason)
        prefixes.append(str(term.value).lower())
    return prefixes


def _starts(name: str, prefixes: list[str]) -> bool:
    return not prefixes or name.lower().startswith(tuple(prefixes))


async def get_task_file_properties(call: Call) -> web.StreamResponse:
    entry = _task_file(call)
    check_conditions(call.request.headers, entry.modified, reading=True)
    return call.empty(200, {**file_headers(entry), "Content-Length": str(entry.size)})


async def download_task_file(call: Call) -> web.StreamResponse:
    entry = _task_file(call)
    check_conditions(call.request.headers, entry.modified, reading=True)
    return await send_file(call, entry)
