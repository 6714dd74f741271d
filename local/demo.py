"""Take three files through the whole system, watched from outside: Storage and the app's HTTP API.

The output follows the console output of Microsoft's Batch quickstart:
https://learn.microsoft.com/azure/batch/quick-run-python
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from batch_core.services.uploading import upload
from local import stack, throwaway
from local.blob_storage import blob_storage
from local.errors import DemoFailedError
from local.functions_host import HostKind
from local.progress import Progress
from local.records import Record, is_closed, record_of
from local.stack import Plan, Stack

SAMPLES: Final = Path(__file__).parent / "samples"

_DEADLINE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.5
_MOST_TROUBLES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The result of one file: its task's final record, and its standard output."""

    record: Record
    output: bytes


async def run(host: HostKind) -> None:
    """Run the demo in a throwaway folder, which is kept when it fails.

    Raises `StackError` for a stack that does not start or does not stay up, and for output that is not what it should
    be: its text says where state and logs were kept.
    """
    with throwaway.folder() as folder:
        await _run_in(folder, host)


async def _run_in(folder: Path, host: HostKind) -> None:
    started = datetime.now().astimezone()
    print(f"Sample start: {started:%Y-%m-%d %H:%M:%S}\n")
    async with stack.running(Plan.throwaway(folder, host), print) as running:
        print(f"The dashboard shows it all, while this runs: {running.dashboard}")
        await throwaway.while_all_run(running, _Demo(running).run(started))


class _Demo:
    def __init__(self, running: Stack) -> None:
        self._settings = running.plan.settings
        self._logs = running.plan.logs
        self._url = running.host.url

    async def run(self, started: datetime) -> None:
        await self._require_health()
        files = sorted(SAMPLES.glob("*.txt"))
        for file in files:
            container = self._settings.values["INPUT_CONTAINER"]
            print(f"Uploading file {file.name} to container [{container}]...")
            await self._drop(file)
        print("\nThe blob trigger adds a task for each file. Monitoring them until they complete...")
        finished = await self._wait_for(files)
        print("\nPrinting task output...")
        for file in files:
            _print_task(finished[file])
        self._require_equal(finished)
        _print_end(started)

    async def _drop(self, file: Path) -> None:
        settings = self._settings.validated()
        async with blob_storage(settings, f"uploading {file.name}") as blobs:
            with file.open("rb") as content:
                await upload(blobs, settings.input_container, file.name, content)

    async def _require_health(self) -> None:
        async with aiohttp.ClientSession() as http, http.get(f"{self._url}/api/health") as response:
            if not response.ok:
                report = await response.text()
                raise DemoFailedError(f"GET /api/health answered {response.status}: {report}")

    async def _wait_for(self, files: list[Path]) -> dict[Path, Finished]:
        service = BlobServiceClient.from_connection_string(self._settings.connection_string("DATA_STORAGE"))
        with Progress() as progress:
            async with service, aiohttp.ClientSession() as http:
                outputs = service.get_container_client(self._settings.values["OUTPUT_CONTAINER"])
                return await self._finished(files, outputs, http, progress)

    async def _finished(
        self, files: list[Path], outputs: ContainerClient, http: aiohttp.ClientSession, progress: Progress
    ) -> dict[Path, Finished]:
        finished: dict[Path, Finished] = {}
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while len(finished) < len(files):
            for file in files:
                if file not in finished and (found := await self._look(file, outputs, http)):
                    finished[file] = found
            progress.show(f"{len(finished)} of {len(files)} tasks completed")
            if time.monotonic() > deadline:
                raise await self._too_late([f for f in files if f not in finished], http)
            await asyncio.sleep(_POLL_SECONDS)
        return finished

    async def _look(self, file: Path, outputs: ContainerClient, http: aiohttp.ClientSession) -> Finished | None:
        """Return the result of a file, None until its output exists and its record is final."""
        names = [name async for name in outputs.list_blob_names(name_starts_with=f"{file.name}/")]
        for name in names:
            if name.endswith("/stdout.txt"):
                task_id = name.removeprefix(f"{file.name}/").removesuffix("/stdout.txt")
                record = await record_of(http, task_id, self._settings)
                if is_closed(record):
                    return Finished(record=record, output=await _content(outputs, name))
        return None

    async def _too_late(self, missing: list[Path], http: aiohttp.ClientSession) -> DemoFailedError:
        lines = [f"after {_DEADLINE_SECONDS:g} s no task has finished for:"]
        for file in missing:
            # Submitting is idempotent: for a file that was detected the reply is its record.
            async with http.post(f"{self._url}/api/tasks", json={"blob": file.name}) as response:
                lines.append(f"  {file.name}: {await response.text()}")
        return DemoFailedError("\n".join([*lines, *self._troubles()]))

    def _troubles(self) -> list[str]:
        log = self._logs / "functions.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        troubles = [line for line in lines if " warning " in line or " error " in line][-_MOST_TROUBLES:]
        return [f"the last warnings and errors of {log}:", *troubles] if troubles else []

    def _require_equal(self, finished: dict[Path, Finished]) -> None:
        wrong = [
            f"  {file.name}: {result.record.get('state')}, {result.record.get('reason')}"
            for file, result in finished.items()
            if result.record.get("state") != "succeeded" or result.output != file.read_bytes()
        ]
        if wrong:
            summary = "these outputs are not what `cat` prints for the file:"
            raise DemoFailedError("\n".join([summary, *wrong, *self._troubles()]))


async def _content(outputs: ContainerClient, name: str) -> bytes:
    try:
        content: bytes = await (await outputs.download_blob(name)).readall()
    except ResourceNotFoundError as exc:
        raise DemoFailedError(f"the output {name!r} vanished") from exc
    return content


def _print_task(finished: Finished) -> None:
    print(f"Task: {finished.record.get('task_id')}")
    print(f"Node: {finished.record.get('node_id')}")
    print("Standard output:")
    print(finished.output.decode(errors="replace"))


def _print_end(started: datetime) -> None:
    ended = datetime.now().astimezone()
    elapsed = timedelta(seconds=round((ended - started).total_seconds()))
    print(f"Sample end: {ended:%Y-%m-%d %H:%M:%S}")
    print(f"Elapsed time: {elapsed}")
