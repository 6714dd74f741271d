"""What can be seen of a task without a signature, and what can be done to it that no client of the service can do."""

import json
from typing import Any, Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.control.answers import answer
from batch_emulator.control.output_text import read_ends
from batch_emulator.control.overview import task_in_brief
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.node_files import FileRoot, find_file
from batch_emulator.handlers.task_files import find_root
from batch_emulator.handlers.tasks import find_task
from batch_emulator.store.dump import redacted
from batch_emulator.values.documents import Document
from batch_emulator.values.states import TaskState

_STREAMS: Final = ("stdout", "stderr")
#: Characters of a command line, or of one text of a failure.
_TEXT: Final = 8 * 1024


async def show_task(call: Call) -> web.StreamResponse:
    """Answer what became of a task and what it printed: text of bounded length, in JSON."""
    row, job_id = find_task(call)
    document = json.loads(row.document)
    shown = {
        **task_in_brief(row, job_id),
        "displayName": document.get("displayName"),
        "commandLine": _shown(document["commandLine"]),
        "failure": _failure(json.loads(row.failure)) if row.failure else None,
        "poolId": row.pool_id,
        "requiredSlots": row.required_slots,
        "retries": row.retries,
        "requeues": row.requeues,
    }
    return answer(call, {**shown, **_outputs(call)})


def _failure(info: Document) -> Document:
    details = [{"name": each["name"], "value": _shown(each["value"])} for each in info.get("details", [])]
    return {**info, "message": _shown(info["message"]), "details": details}


def _shown(text: str) -> Any:  # noqa: ANN401 - what `redacted` returns
    """Return a text without secrets, cut where it is long."""
    return redacted(text, _TEXT)


def _outputs(call: Call) -> Document:
    try:
        root = find_root(call)
    except BatchError as exc:
        return {stream: {"problem": exc.message} for stream in _STREAMS}
    return {stream: _output(root, f"{stream}.txt") for stream in _STREAMS}


def _output(root: FileRoot, name: str) -> Document:
    """Return one output; what is there in its place, or leads out of the task's directory, is not opened."""
    entry = find_file(root, name)
    try:
        if entry is not None and not entry.is_directory:
            return read_ends(entry.path)
    except OSError:
        pass
    return {"problem": f"There is no file {name}."}


async def expire_files(call: Call) -> web.StreamResponse:
    """Remove the files of a completed task, as at the end of their retention time."""
    row, job_id = find_task(call)
    if row.state != TaskState.COMPLETED:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE)
    await call.service.expiry.remove_files(row, job_id)
    return call.empty(204)
