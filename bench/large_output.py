"""Collect the standard output of a task that printed very much, and report what that costs the collecting process.

    .venv/bin/python bench/large_output.py [--mib 1024] [--whole-mib 128]

Starts Azurite and the emulator in a throwaway folder, runs a task of each size, and copies its output in a process of
its own: as the app does, as a stream through the SDKs, and (the smaller one only) downloaded whole and then uploaded.
Prints for each how far its memory grew above what it had after a small file, seconds, and MiB a second.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from azure.batch.models import BatchTaskState
from azure.storage.blob.aio import BlobClient

CHECKOUT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from batch_core.app import App, open_app  # noqa: E402
from batch_core.cli import provision  # noqa: E402 - a script finds the project's packages only now
from batch_core.collect import collect  # noqa: E402
from batch_core.config.settings import Settings  # noqa: E402
from batch_core.state.record import DetectedBy, TaskRecord  # noqa: E402
from batch_core.submit import submit  # noqa: E402
from local import azurite, emulator  # noqa: E402

MIB: Final = 2**20
WARM_UP_BYTES: Final = 1000
PATIENCE_SECONDS: Final = 1800

type Copy = Callable[[App, TaskRecord], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one copy cost its process."""

    grown_mib: float
    seconds: float


async def as_the_app_does(app: App, record: TaskRecord) -> None:
    while not (await app.table.get(record.task_id)).record.state.is_final:
        await collect(app)


async def as_a_stream(app: App, record: TaskRecord) -> None:
    chunks = await app.clients.batch.download_task_file(record.job_id, record.task_id, "stdout.txt")
    await _blob(app, record, "stream").upload_blob(chunks, overwrite=True)


async def whole(app: App, record: TaskRecord) -> None:
    chunks = await app.clients.batch.download_task_file(record.job_id, record.task_id, "stdout.txt")
    content = b"".join([chunk async for chunk in chunks])
    await _blob(app, record, "whole").upload_blob(content, overwrite=True)


WAYS: Final[dict[str, Copy]] = {"app": as_the_app_does, "stream": as_a_stream, "whole": whole}


def _blob(app: App, record: TaskRecord, way: str) -> BlobClient:
    return app.clients.blobs.get_blob_client(app.settings.output_container, f"{way}/{record.task_id}")


async def _copy_here(way: str) -> Cost:
    """Copy the tasks that standard input names: a small one first, so that imports and connections are not counted."""
    app = open_app(Settings.from_env(os.environ))
    try:
        await WAYS[way](app, await _next_record(app))
        print("ready", flush=True)
        record = await _next_record(app)
        before, started = _memory_from_here(), time.monotonic()
        await WAYS[way](app, record)
        return Cost(grown_mib=_memory_mib("VmHWM") - before, seconds=time.monotonic() - started)
    finally:
        await app.clients.close()


async def _next_record(app: App) -> TaskRecord:
    task_id = await asyncio.to_thread(sys.stdin.readline)
    return (await app.table.get(task_id.strip())).record


def _memory_from_here() -> float:
    """Let the peak count from now on; returns what is in use now."""
    # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _memory_mib("VmRSS")


def _memory_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


async def _cost(app: App, environment: dict[str, str], way: str, size: int) -> Cost:
    """Copy this many MiB in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--copy", way),
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("both are pipes")
    line = b""
    for length in (WARM_UP_BYTES, size * MIB):
        record = await _printed(app, length, f"{way}-{length}")
        process.stdin.write(f"{record.task_id}\n".encode())
        line = await process.stdout.readline()
    if await process.wait():
        raise RuntimeError(f"the copy as {way} failed")
    # The node's disk is this machine's.
    await app.clients.batch.delete_task_file(record.job_id, record.task_id, "stdout.txt")
    return Cost(**json.loads(line))


async def _printed(app: App, size: int, name: str) -> TaskRecord:
    """Run a task that prints this much, of what nothing can compress; returns its record, which is not collected."""
    command = f"/bin/bash -c 'head -c {size} /dev/urandom'"
    printing = replace(app, settings=replace(app.settings, task=replace(app.settings.task, command_line=command)))
    await app.clients.blobs.get_blob_client(app.settings.input_container, name).upload_blob(b"", overwrite=True)
    version = await app.inputs.version_of(name)
    (submission,) = await submit(printing, [version], detected_by=DetectedBy.HTTP)
    record = submission.record
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            task = await app.clients.batch.get_task(record.job_id, record.task_id, select=["id", "state"])
            if task.state == BatchTaskState.COMPLETED:
                return record
            await asyncio.sleep(0.2)


async def _measure(folder: Path, mib: int, whole_mib: int) -> None:
    async with (
        azurite.running(log=folder / "azurite.log", location=folder / "storage") as storage,
        emulator.running(log=folder / "emulator.log", location=folder / "batch") as batch,
    ):
        environment = {
            "AzureWebJobsStorage": storage.connection_string,
            "DATA_STORAGE": storage.connection_string,
            "BATCH_ENDPOINT": batch.endpoint,
            "BATCH_ACCOUNT_NAME": emulator.DEFAULT_ACCOUNT.name,
            "BATCH_ACCOUNT_KEY": emulator.DEFAULT_ACCOUNT.key,
            "BATCH_POOL_ID": "pool",
        }
        app = open_app(Settings.from_env(environment))
        try:
            for resource in provision.resources(app):
                await provision.make(resource)
            await _compare(app, environment, mib, whole_mib)
        finally:
            await app.clients.close()


async def _compare(app: App, environment: dict[str, str], mib: int, whole_mib: int) -> None:
    print(f"{'way':<8} {'MiB':>6} {'memory grew by':>15} {'seconds':>8} {'MiB/s':>7}")
    for way, size in [("app", mib), ("stream", mib), ("app", whole_mib), ("stream", whole_mib), ("whole", whole_mib)]:
        cost = await _cost(app, environment, way, size)
        line = f"{way:<8} {size:>6} {cost.grown_mib:>11.1f} MiB {cost.seconds:>8.1f} {size / cost.seconds:>7.0f}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--whole-mib", type=int, default=128)
    parser.add_argument("--copy", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.copy:
        print(json.dumps(vars(asyncio.run(_copy_here(arguments.copy)))))
        return
    with tempfile.TemporaryDirectory(prefix="large-output-") as folder:
        # The two outputs, and one file at a time on the node.
        needed = (3 * arguments.mib + 4 * arguments.whole_mib + 1024) * MIB
        if shutil.disk_usage(folder).free < needed:
            raise SystemExit(f"{folder} needs {needed // MIB} MiB of free space")
        asyncio.run(_measure(Path(folder), arguments.mib, arguments.whole_mib))


if __name__ == "__main__":
    main()
