"""Drop files into the input container, as any tool that writes blobs would, and report how their tasks end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from batch_core.cli import drop_plan
from batch_core.cli.drop_plan import Dropping
from batch_core.config.settings import Settings
from batch_core.naming import BlobVersion, task_id
from batch_core.services import uploading
from local.blob_storage import blob_storage
from local.errors import StackError
from local.progress import Progress
from local.records import Record, is_closed, record_of, up_hint, url_of
from local.settings_file import AppSettings
from local.taken import Taken

_POLL_SECONDS: Final = 0.5
_SUCCEEDED: Final = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A blob that was written, the id of its task, which follows from its version, and why it has none, if so."""

    name: str
    task_id: str
    why_no_task: str | None


def plan(paths: Sequence[Path], prefix: str = "") -> list[Dropping]:
    """Return what is to be dropped, as `batchdrop drop` would. Raises `StackError` where that cannot be."""
    try:
        return drop_plan.plan(paths, prefix)
    except drop_plan.NotDropped as exc:
        raise StackError(str(exc)) from exc


async def drop_all(paths: Sequence[Path], settings: AppSettings, *, is_awaited: bool, prefix: str = "") -> bool:
    """Upload all files and print where each went; if `is_awaited`, wait until their tasks have ended.

    Returns False if a task that was awaited did not succeed. Raises `StackError` as `plan` and `upload` do, and if the
    app does not answer.
    """
    taken = Taken.by(settings)
    dropped = []
    # A folder's marker after its files, which are not taken by themselves.
    for one in sorted(plan(paths, prefix), key=lambda one: taken.why_ignored(one.name) is None):
        version = await upload(one, settings, taken.settings)
        dropped.append(Dropped(name=one.name, task_id=task_id(version), why_no_task=taken.why_no_task(version)))
        print(f"{one.name} -> {version.container}", flush=True)
        if not is_awaited:
            print(f"  {_where_to_look(dropped[-1], settings)}", flush=True)
    return await _await_all(dropped, settings) if is_awaited else True


async def drop(file: Path, settings: AppSettings) -> str:
    """Upload one file under its own name, over a blob of this name; return the name. Raises `StackError`."""
    await upload(Dropping(file=file, name=file.name), settings, settings.validated())
    return file.name


async def upload(one: Dropping, settings: AppSettings, app_settings: Settings) -> BlobVersion:
    """Write the blob and return its new version.

    Raises `StackError` if the file cannot be read or the container cannot be written.
    """
    container = app_settings.input_container
    try:
        async with blob_storage(app_settings, f"writing {one.name!r} to the container {container!r}") as blobs:
            with one.file.open("rb") as content:
                return await uploading.upload(blobs, container, one.name, content)
    except OSError as exc:
        raise StackError(f"cannot read {one.file}: {exc.strerror}") from exc
    except StackError as exc:
        raise StackError(f"{exc} ({up_hint(settings)})") from exc


def _where_to_look(one: Dropped, settings: AppSettings) -> str:
    return f"no task of its own: {one.why_no_task}" if one.why_no_task else url_of(settings, one.task_id)


async def _await_all(dropped: Sequence[Dropped], settings: AppSettings) -> bool:
    for one in dropped:
        if one.why_no_task:
            print(f"{one.name}: no task of its own: {one.why_no_task}")
    names = {one.task_id: one.name for one in dropped if not one.why_no_task}
    with Progress() as progress:
        ended = await _await_tasks(names, settings, progress)
    return all(record.get("state") == _SUCCEEDED for record in ended)


async def _await_tasks(names: dict[str, str], settings: AppSettings, progress: Progress) -> list[Record]:
    """Print the end of each task, given with the names of their files, and return their final records."""
    ended: list[Record] = []
    running = dict(names)
    async with aiohttp.ClientSession() as http:
        while running:
            records = {task: await record_of(http, task, settings) for task in running}
            for task in [task for task, record in records.items() if is_closed(record)]:
                ended.append(records[task])
                progress.end()
                print(_report(running.pop(task), records[task], settings), flush=True)
            if running:
                task, name = next(iter(running.items()))
                progress.show(f"{len(ended)} of {len(names)} ended; {name}: {_latest(records[task])}")
                await asyncio.sleep(_POLL_SECONDS)
    return ended


def _latest(record: Record) -> object:
    return record.get("reason") or record.get("state") or "not detected yet"


def _report(name: str, record: Record, settings: AppSettings) -> str:
    outputs = settings.values["OUTPUT_CONTAINER"]
    lines = [f"{name}: {record.get('state')}" + (f", {record['reason']}" if record.get("reason") else "")]
    lines += [f"  task    {record.get('task_id')}"]
    lines += [f"  {label:<7} {outputs}/{record[label]}" for label in ("stdout", "stderr", "files") if record.get(label)]
    if record.get("stderr_end"):
        lines += ["  last lines of stderr:", *(f"    {line}" for line in str(record["stderr_end"]).splitlines()[-5:])]
    return "\n".join(lines)
