"""Show a task: its record, as the app's API returns it, what its command printed, and the files that it made."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
from azure.storage.blob.aio import ContainerClient

from batch_core.cli.ages import age
from batch_core.cli.escaping import in_line, printable
from batch_core.naming import is_task_id
from batch_core.state.record import TaskRecord
from local import lookup
from local.blob_storage import blob_storage
from local.errors import StackError
from local.outputs import Output, files_of, printed_of, save
from local.records import Record, is_closed, record_of, url_of
from local.settings_file import AppSettings

#: How many bytes of an output are shown, and how many files are listed.
LONGEST: Final = 64 * 1024
MOST_FILES: Final = 100


async def show(name: str, settings: AppSettings, folder: Path | None = None) -> None:
    """Print the record, the first 64 KiB of what the command printed, and the list of the files that it made.

    The name is a task's id or a blob's name, of which the newest attempt is shown. With a folder, all output is saved
    there. Raises `StackError` if the settings are wrong, the app does not answer or does not know the task, or an
    output cannot be read or saved.
    """
    app_settings = settings.validated()
    record = await _record(name, settings)
    print(printable(json.dumps(record, indent=2, ensure_ascii=False)))
    container_name = app_settings.output_container
    async with blob_storage(app_settings, f"reading output in the container {container_name!r}") as blobs:
        container = blobs.get_container_client(container_name)
        printed_outputs, files = await printed_of(record, container), await files_of(record, container)
        for output in printed_outputs:
            await _show_beginning(output, container)
        if record.get("files"):
            print(f"\nfiles, {container_name}/{in_line(str(record['files']))}{_files_text(record, files)}")
        if folder is not None:
            await _save_all(record, [*printed_outputs, *files], container, folder)


async def _record(name: str, settings: AppSettings) -> Record:
    """Return the record of a task or of the newest attempt at a blob; raise `StackError`."""
    async with aiohttp.ClientSession() as http:
        if is_task_id(name) and (record := await record_of(http, name, settings)):
            return record
        task_id = await lookup.newest_task(name, settings)
        if task_id is None:
            where = f"and the container {settings.values['INPUT_CONTAINER']!r} has no blob of this name"
            raise StackError(f"there is no task {name!r} whose record can be read, {where}")
        if record := await record_of(http, task_id, settings):
            return record
    raise StackError(f"the record of {name!r} cannot be read: see {url_of(settings, task_id)}")


async def _show_beginning(output: Output, container: ContainerClient) -> None:
    stream = output.name.removesuffix(".txt")
    if not output.blob:
        print(f"\n{stream} is empty")
        return
    beginning = b""
    if output.size:
        beginning = await (await container.download_blob(output.blob, offset=0, length=LONGEST)).readall()
    print(f"\n{stream}, {container.container_name}/{in_line(output.blob)}, {output.size} bytes")
    print(printed(beginning, output.size), end="\n" if output.size else "")


def _files_text(record: Record, files: Sequence[Output]) -> str:
    """Return what follows the folder's name: the files, or why there are none."""
    if not files and not is_closed(record):
        return ": nothing yet; the node uploads files when the command has ended"
    if not files and record.get("state") == "succeeded":
        return ": no file matched the patterns of its route's outputs"
    if not files:
        return ": no file was uploaded; none matched, or the route's outputs_on is for another end"
    lines = [f"  {in_line(one.name)}, {one.size} bytes" for one in files[:MOST_FILES]]
    more = [f"  and {len(files) - MOST_FILES} more"] if len(files) > MOST_FILES else []
    return "\n".join([f", {len(files)} file(s)", *lines, *more])


async def _save_all(record: Record, outputs: Sequence[Output], container: ContainerClient, folder: Path) -> None:
    if not outputs:
        raise StackError(f"nothing was saved: task {record.get('task_id')} has no output (yet)")
    problems = [(one, why) for one in outputs if (why := await save(one, container, folder))]
    print(f"\n{len(outputs) - len(problems)} file(s) saved in {folder}")
    if problems:
        lines = [f"  {in_line(one.name)}: {in_line(why)}" for one, why in problems]
        raise StackError("\n".join(["these were not saved:", *lines]))


async def show_newest(settings: AppSettings) -> None:
    """Print a line for each of up to 50 records of today and of days with open work, the open ones first.

    Raises `StackError` if the table does not answer.
    """
    records = await lookup.newest_records(settings)
    if not records:
        print("no file has a record of today, and nothing is open")
    for record in records:
        print(_line(record, datetime.now(UTC)))
    if len(records) == lookup.MOST:
        print(f"(no more than {lookup.MOST} are listed)")


def _line(record: TaskRecord, now: datetime) -> str:
    parts = [f"{record.state:<11} {age(now - record.recorded_at):>6}", record.task_id, in_line(record.blob)]
    return "  ".join([*parts, *([in_line(record.reason)] if record.reason else [])])


def printed(beginning: bytes, size: int) -> str:
    """Return what to print of an output of `size` bytes: its text without control characters, or why there is none.

    A terminal would obey control characters. Output with a NUL byte is not text.
    """
    if b"\0" in beginning:
        return "(not text)"
    text = printable(beginning.decode(errors="replace")).removesuffix("\n")
    return text if size <= len(beginning) else f"{text}\n(cut: {len(beginning)} of {size} bytes)"
