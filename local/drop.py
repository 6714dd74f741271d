"""Drop files into the input container, as any tool that writes blobs would, and tell what becomes of them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobServiceClient

from batch_core.config.settings import Settings
from batch_core.errors import AppError, SettingsError, translating
from batch_core.naming import BlobVersion, task_id
from batch_core.services.clients import open_clients
from local.errors import StackError
from local.ports import ADDRESS
from local.progress import Progress
from local.settings_file import AppSettings

_POLL_SECONDS: Final = 0.5
_FINE: Final = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """A file and the blob that it becomes."""

    file: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A blob that was written; its task's id follows from its version. None: the settings leave this file alone."""

    name: str
    task_id: str | None


def plan(paths: Sequence[Path]) -> list[Dropping]:
    """Return what is to be dropped: a file under its own name, a folder's files under their paths below it.

    Raise StackError for what is no file or folder, an empty folder, and two files that would be one blob.
    """
    by_name: dict[str, Path] = {}
    for path in paths:
        for one in _files(path):
            other = by_name.setdefault(one.name, one.file)
            if other.absolute() != one.file.absolute():
                raise StackError(
                    f"nothing was dropped: {other} and {one.file} would both be the blob {one.name!r};"
                    " drop a folder that holds both, or one after the other"
                )
    return [Dropping(file=file, name=name) for name, file in by_name.items()]


def _files(path: Path) -> Iterator[Dropping]:
    if path.is_file():
        yield Dropping(file=path, name=_blob_name(path, Path(path.absolute().name)))
        return
    if not path.is_dir():
        raise StackError(
            f"cannot drop {path}: {'it is no file or folder' if path.exists() else 'there is no such file'}"
        )
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise StackError(f"cannot drop {path}: the folder holds no file")
    for file in files:
        yield Dropping(file=file, name=_blob_name(file, file.relative_to(path)))


def _blob_name(file: Path, name: Path) -> str:
    text = name.as_posix()
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise StackError(f"cannot drop {str(file)!r}: its name is not UTF-8, as a blob's must be")
    return text


async def drop_all(paths: Sequence[Path], settings: AppSettings, *, is_awaited: bool) -> bool:
    """Upload all, saying what is where; wait for their ends if asked to. Return whether all that ended ended well."""
    app_settings = require_settings(settings)
    dropped = []
    for one in plan(paths):
        version = await upload(one, settings, app_settings)
        taken = app_settings.intake.takes(version)
        dropped.append(Dropped(name=one.name, task_id=task_id(version) if taken else None))
        print(f"{one.name} -> {app_settings.input_container}", flush=True)
        if not is_awaited:
            print(f"  {_first_look(dropped[-1], settings)}", flush=True)
    return await _await_all(dropped, settings) if is_awaited else True


def require_settings(settings: AppSettings) -> Settings:
    """Return the app's settings; raise StackError when they are wrong."""
    try:
        return Settings.from_env(settings.values)
    except SettingsError as exc:
        raise StackError(f"these settings of {settings.file} are wrong: {exc}") from exc


async def drop(file: Path, settings: AppSettings) -> str:
    """Upload one file under its own name and return that; a blob of this name is replaced. Raise StackError."""
    await upload(Dropping(file=file, name=file.name), settings, require_settings(settings))
    return file.name


async def upload(one: Dropping, settings: AppSettings, app_settings: Settings) -> BlobVersion:
    """Write the blob; return the version that it has now. Raise StackError when file or container cannot be used."""
    clients = open_clients(app_settings)
    try:
        with translating(f"writing {one.name!r} to the container {app_settings.input_container!r}"):
            return await _write(one, clients.blobs, app_settings.input_container)
    except OSError as exc:
        raise StackError(f"cannot read {one.file}: {exc.strerror}") from exc
    except (AppError, AzureError) as exc:
        hint = f"(is the stack up? `python -m local up{settings.option}`)"
        raise StackError(f"{exc} {hint}") from exc
    finally:
        await clients.close()


async def _write(one: Dropping, storage: BlobServiceClient, container: str) -> BlobVersion:
    with one.file.open("rb") as content:
        written = await storage.get_blob_client(container, one.name).upload_blob(content, overwrite=True)
        size = content.tell()
    return BlobVersion(
        container=container,
        name=one.name,
        etag=written["etag"].strip('"'),
        last_modified=written["last_modified"],
        size=size,
    )


def url_of(settings: AppSettings, task: str) -> str:
    """Return where the app tells of a task."""
    return f"http://{ADDRESS}:{settings.host_port}/api/tasks/{quote(task, safe='')}"


def _first_look(one: Dropped, settings: AppSettings) -> str:
    return url_of(settings, one.task_id) if one.task_id else _LEFT_ALONE


_LEFT_ALONE: Final = "left alone, as INPUT_SKIP_EMPTY or INPUT_NOT_BEFORE says"


async def _await_all(dropped: Sequence[Dropped], settings: AppSettings) -> bool:
    ended: dict[str, dict[str, object]] = {}
    waiting = {one.task_id: one.name for one in dropped if one.task_id}
    for one in dropped:
        if one.task_id is None:
            print(f"{one.name}: {_LEFT_ALONE}")
    progress = Progress()
    try:
        await _await_tasks(waiting, ended, settings, progress)
    finally:
        # An error must not be written after a line that waits.
        progress.end()
    return all(record.get("state") == _FINE for record in ended.values())


async def _await_tasks(
    waiting: dict[str, str], ended: dict[str, dict[str, object]], settings: AppSettings, progress: Progress
) -> None:
    """Tell of each task when it has ended, and move it from those that wait."""
    async with aiohttp.ClientSession() as http:
        while waiting:
            told = {task: await record_of(http, url_of(settings, task), settings) for task in waiting}
            for task, record in told.items():
                if record.get("closed_at"):
                    ended[task] = record
                    progress.end()
                    print(_told(waiting.pop(task), record, settings), flush=True)
            if waiting:
                task, name = next(iter(waiting.items()))
                where = told[task].get("reason") or told[task].get("state") or "nobody has seen it yet"
                progress.show(f"{len(ended)} of {len(ended) + len(waiting)} ended; {name}: {where}")
                await asyncio.sleep(_POLL_SECONDS)


async def record_of(http: aiohttp.ClientSession, url: str, settings: AppSettings) -> dict[str, object]:
    """Return what the app says of a task; nothing while it does not know it."""
    try:
        async with http.get(url) as response:
            record: dict[str, object] = await response.json() if response.ok else {}
            return record
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        hint = f"is the stack up? `python -m local up{settings.option}`"
        raise StackError(f"{url} does not answer ({hint})") from exc


def _told(name: str, record: dict[str, object], settings: AppSettings) -> str:
    outputs = settings.values["OUTPUT_CONTAINER"]
    lines = [f"{name}: {record.get('state')}" + (f", {record['reason']}" if record.get("reason") else "")]
    lines += [f"  task    {record.get('task_id')}"]
    lines += [f"  {label:<7} {outputs}/{record[label]}" for label in ("stdout", "stderr") if record.get(label)]
    if record.get("stderr_end"):
        lines += ["  it said last:", *(f"    {line}" for line in str(record["stderr_end"]).splitlines()[-5:])]
    return "\n".join(lines)
