"""The same job by each of the peers, each on a stack of its own."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import whole_app
from azure.storage.blob.aio import BlobServiceClient
from call_counts import Calls, calls_of, recording
from dropping import arrived, drop, names
from milestones import Milestones, milestones
from processor_time import ProcessorTime, peak_memory
from relayed_stack import Conditions, Services, services

from local.ports import ADDRESS
from local.processes import ChildProcess
from local.settings_file import CHECKOUT

_SCRIPTS: Final = Path(__file__).parent
_PATIENCE_SECONDS: Final = 1200


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a peer needed for the job: processor time in seconds, by process; memory of its own process, in bytes."""

    seconds: float
    processor: Mapping[str, float]
    peak_bytes: int
    #: Of a request for nothing, as it was before the job began.
    round_trip_ms: float = 0.0
    #: Of the services; None where they are not counted.
    calls: Calls | None = None
    milestones: Milestones = field(default_factory=dict)


type _Peer = Callable[[Services, Conditions, Path], Awaitable[Run]]


async def run_peer(name: str, conditions: Conditions) -> Run:
    """Have a peer do the job on a new stack; raise StackError, or RuntimeError if an output is missing."""
    with tempfile.TemporaryDirectory(prefix="peers-") as path:
        async with services(Path(path), conditions) as running:
            before = _used(running)
            run = await PEERS[name](running, conditions, Path(path))
            used = {process: after - before[process] for process, after in _used(running).items()}
            # The emulator waits for the commands: its children's time is theirs.
            of_services = {process: spent.own for process, spent in used.items()}
            processor = {**run.processor, **of_services, "tasks": used["emulator"].children}
            return replace(run, processor=processor, round_trip_ms=running.round_trip_ms)


def _used(running: Services) -> dict[str, ProcessorTime]:
    return {name: ProcessorTime.of(process.pid) for name, process in running.processes.items()}


async def _app(running: Services, conditions: Conditions, folder: Path) -> Run:
    async with whole_app.running(running, folder) as app:
        await app.warm_up()
        wanted = names(conditions.files)
        before, own_before = ProcessorTime.of(app.host.pid), time.process_time()
        began = datetime.now(UTC)
        dropped = await drop(app.inputs, wanted)
        records = await app.until_closed(wanted)
        used, own = ProcessorTime.of(app.host.pid) - before, time.process_time() - own_before
        peak = peak_memory(app.host.pid)
        _check(await arrived(app.outputs), wanted)
    ended = max(record.closed_at for record in records if record.closed_at)
    return Run(
        seconds=(ended - began).total_seconds(),
        processor={"client": own, "host": used.own + used.children},
        peak_bytes=peak,
        calls=whole_app.calls(running, app, folder),
        milestones=milestones(records, dropped),
    )


async def _drop(running: Services, conditions: Conditions, folder: Path) -> Run:  # noqa: ARG001 - as all peers
    """Only drop the files: what the other peers' times hold of it."""
    async with BlobServiceClient.from_connection_string(running.relayed.values["DATA_STORAGE"]) as blobs:
        own_before, began = time.process_time(), time.monotonic()
        await drop(blobs.get_container_client(running.relayed.values["INPUT_CONTAINER"]), names(conditions.files))
        seconds, own = time.monotonic() - began, time.process_time() - own_before
    return Run(seconds=seconds, processor={"client": own}, peak_bytes=peak_memory(os.getpid()))


async def _host(running: Services, conditions: Conditions, folder: Path) -> Run:
    """Have the host call a function that does nothing: what is measured ends with the last call."""
    wanted = names(conditions.files)
    far = running.relayed.with_values(**recording(folder))
    own_app = folder / "host-alone"
    shutil.copytree(_SCRIPTS / "host_alone", own_app)
    # As many blobs at a time as the app takes.
    shutil.copy(CHECKOUT / "host.json", own_app)
    command = [sys.executable, "-m", "local.host", "--port", str(far.host_port), "--app", str(own_app)]
    log = running.plan.logs / "functions.log"
    async with (
        BlobServiceClient.from_connection_string(far.values["DATA_STORAGE"]) as blobs,
        aiohttp.ClientSession(f"http://{ADDRESS}:{far.host_port}") as http,
        await ChildProcess.start("the host", command, log=log, env=far.environment(), cwd=CHECKOUT) as host,
    ):
        await host.wait_for_line("Functions host ready", seconds=60)
        inputs = blobs.get_container_client(far.values["INPUT_CONTAINER"])
        await drop(inputs, ["first.txt"])
        await _until_called(http, 1)
        before, own_before, began = ProcessorTime.of(host.pid), time.process_time(), time.monotonic()
        await drop(inputs, wanted)
        await _until_called(http, 1 + len(wanted))
        seconds, own = time.monotonic() - began, time.process_time() - own_before
        used, peak = ProcessorTime.of(host.pid) - before, peak_memory(host.pid)
    return Run(
        seconds=seconds,
        processor={"client": own, "host": used.own + used.children},
        peak_bytes=peak,
        calls=calls_of(folder / f"{host.pid}.json", running.by_port),
    )


async def _until_called(http: aiohttp.ClientSession, files: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            async with http.get("/api/called") as response:
                if int(await response.text()) >= files:
                    return
            await asyncio.sleep(0.1)


async def _floor(running: Services, conditions: Conditions, folder: Path, *options: str) -> Run:
    arguments = ["--files", str(conditions.files), "--mode", conditions.mode, *options]
    run = await _script("floor", arguments, running, folder)
    async with BlobServiceClient.from_connection_string(running.plan.settings.values["DATA_STORAGE"]) as blobs:
        outputs = blobs.get_container_client(running.plan.settings.values["OUTPUT_CONTAINER"])
        _check(await arrived(outputs), names(conditions.files))
    return run


async def _careful(running: Services, conditions: Conditions, folder: Path) -> Run:
    return await _floor(running, conditions, folder, "--records")


async def _quickstart(running: Services, conditions: Conditions, folder: Path) -> Run:
    printed = folder / "printed.txt"
    run = await _script("quickstart", ["--files", str(conditions.files), "--printed", str(printed)], running, folder)
    if printed.read_text(encoding="utf-8").count("Standard output:\nfile ") != conditions.files:
        raise RuntimeError("the quickstart has not printed every file")
    return replace(run, calls=None)


async def _script(name: str, arguments: list[str], running: Services, folder: Path) -> Run:
    """Run a peer that is a script, with the settings as its environment; what it measured is its last line."""
    settings = running.relayed.with_values(**recording(folder))
    command = [sys.executable, str(_SCRIPTS / f"{name}.py"), *arguments]
    log = running.plan.logs / f"{name}.log"
    async with await ChildProcess.start(name, command, log=log, env=settings.environment(), cwd=CHECKOUT) as process:
        await process.wait_for_end(seconds=_PATIENCE_SECONDS)
    said = json.loads(process.tail(1))
    return Run(
        seconds=said["seconds"],
        processor={"client": said["processor_seconds"]},
        peak_bytes=said["peak_bytes"],
        calls=calls_of(folder / f"{process.pid}.json", running.by_port),
    )


def _check(outputs: Collection[str], wanted: Collection[str]) -> None:
    missing = set(wanted) - {name.partition("/")[0] for name in outputs}
    if missing:
        raise RuntimeError(f"the output of {len(missing)} of {len(wanted)} files is not in the output container")


PEERS: Final[Mapping[str, _Peer]] = {
    "app": _app,
    "host": _host,
    "drop": _drop,
    "floor": _floor,
    "careful": _careful,
    "quickstart": _quickstart,
}
