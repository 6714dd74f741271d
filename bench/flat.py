"""Measure whether a file costs the same however many there are, through the Event Grid webhook: no scan of the host's.

    .venv/bin/python bench/flat.py [--files 1000 10000] [--mode copy] [--waiting 2000] [--idle 60] [--quick-azurite]

For each number of files a stack of its own, as in `peers.py`. Files are dropped and posted to the webhook as Event Grid
does, one event a request, and never more than `--waiting` are under way: what grows is what lies behind the app. Then
nothing happens for `--idle` seconds, and what the app asks of the services meanwhile is counted apart.

Azurite's look-ups walk through all that it holds, and it writes all of it to disk every five seconds, which takes hours
for 100,000 files: with `--quick-azurite` it uses its indexes (`azurite_look_ups.cjs`) and writes nothing.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from typing import Final

import aiohttp

CHECKOUT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "bench")]

import whole_app  # noqa: E402 - a script finds the project's packages only now
from call_counts import Calls, calls_of, of_the_app  # noqa: E402
from dropping import AT_ONCE, drop, names  # noqa: E402
from processor_time import ProcessorTime, memory, peak_memory  # noqa: E402
from relayed_stack import Conditions, Mode, Services, services  # noqa: E402
from whole_app import WholeApp  # noqa: E402

_POLL_SECONDS: Final = 1.0
_ROUND_TRIP_MS: Final = 2.0
_FUNCTION: Final = "submit_blob"
#: The sweep lists the container, and does so as often as on Azure: each quarter of a minute is for trying things out.
_SETTINGS: Final = {"BLOB_TRIGGER_SOURCE": "EventGrid", "SWEEP_SCHEDULE": "0 */10 * * * *"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What some time cost: calls of the host's process, and processor seconds of each process."""

    seconds: float
    calls: Calls
    processor: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What so many files cost, and what idleness behind them; memory of the host's process in bytes."""

    files: int
    work: Cost
    peak_bytes: int
    idle: Cost
    idle_bytes: int


class Meter:
    """Reads what has been spent so far, of an app that runs."""

    def __init__(self, running: Services, app: WholeApp, folder: Path) -> None:
        self._running = running
        self._host = app.host.pid
        self._counts = folder / f"{self._host}.json"

    async def spent(self) -> Cost:
        """Return what has been spent since the start of the processes."""
        processes = {"host": self._host, **{name: process.pid for name, process in self._running.processes.items()}}
        calls = await self._calls()
        processor = {name: ProcessorTime.of(pid).own for name, pid in processes.items()}
        return Cost(seconds=time.monotonic(), calls=calls, processor=processor)

    async def _calls(self) -> Calls:
        self._counts.unlink(missing_ok=True)
        os.kill(self._host, signal.SIGUSR1)
        async with asyncio.timeout(60):
            while not self._counts.exists():
                await asyncio.sleep(0.05)
        return calls_of(self._counts, self._running.by_port)


def between(earlier: Cost, later: Cost) -> Cost:
    calls = later.calls.copy()
    calls.subtract(earlier.calls)
    processor = {name: later.processor[name] - earlier.processor[name] for name in later.processor}
    return Cost(seconds=later.seconds - earlier.seconds, calls=calls, processor=processor)


async def run(conditions: Conditions, waiting: int, idle_seconds: float) -> Result:
    with tempfile.TemporaryDirectory(prefix="flat-") as path:
        folder = Path(path)
        async with services(folder, conditions) as running:
            triggered = replace(running, relayed=running.relayed.with_values(**_SETTINGS))
            async with whole_app.running(triggered, folder) as app, aiohttp.ClientSession() as http:
                meter = Meter(triggered, app, folder)
                return await _measure(meter, app, http, conditions.files, waiting, idle_seconds)


async def _measure(
    meter: Meter, app: WholeApp, http: aiohttp.ClientSession, files: int, waiting: int, idle_seconds: float
) -> Result:
    await _drop_and_post(app, http, ["first.txt"])
    await app.until_counted(1)
    before = await meter.spent()
    done = 0
    for some in batched(names(files), waiting // 2, strict=False):
        await _drop_and_post(app, http, some)
        done += len(some)
        await app.until_counted(1 + max(0, done - waiting // 2))
    await app.until_counted(1 + files)
    after, peak = await meter.spent(), peak_memory(app.host.pid)
    await asyncio.sleep(idle_seconds)
    later = await meter.spent()
    return Result(
        files=files,
        work=between(before, after),
        peak_bytes=peak,
        idle=between(after, later),
        idle_bytes=memory(app.host.pid),
    )


async def _drop_and_post(app: WholeApp, http: aiohttp.ClientSession, wanted: Sequence[str]) -> None:
    """Drop files and post an event for each of them."""
    await drop(app.inputs, wanted)
    todo = iter(wanted)

    async def some() -> None:
        for name in todo:
            await _post(app, http, name)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _post(app: WholeApp, http: aiohttp.ClientSession, name: str) -> None:
    data = {"url": app.inputs.get_blob_client(name).url.partition("?")[0], "eTag": "0x0", "blobType": "BlockBlob"}
    events = [{"eventType": "Microsoft.Storage.BlobCreated", "data": data}]
    url = f"{app.url}/runtime/webhooks/blobs?functionName=Host.Functions.{_FUNCTION}"
    headers = {"aeg-event-type": "Notification"}
    async with http.post(url, json=events, headers=headers) as response:
        response.raise_for_status()


def show(results: Sequence[Result]) -> None:
    print(f"\n{'':<34}" + "".join(f"{result.files:>12,}" for result in results))
    _row("files/s", [f"{one.files / one.work.seconds:.1f}" for one in results])
    _row("calls of the app a file", [f"{of_the_app(one.work.calls) / one.files:.3f}" for one in results])
    for operation in sorted({name for one in results for name, count in one.work.calls.items() if count}):
        _row("  " + " ".join(operation), [f"{one.work.calls[operation] / one.files:.3f}" for one in results])
    for process in results[0].work.processor:
        _row(f"ms a file of {process}", [f"{1000 * one.work.processor[process] / one.files:.1f}" for one in results])
    _row("MiB of the host, at most", [f"{one.peak_bytes / 2**20:.0f}" for one in results])
    _row("MiB of the host, idle", [f"{one.idle_bytes / 2**20:.0f}" for one in results])
    print("\nidle, calls a minute")
    for operation in sorted({name for one in results for name, count in one.idle.calls.items() if count}):
        _row(
            "  " + " ".join(operation), [f"{60 * one.idle.calls[operation] / one.idle.seconds:.1f}" for one in results]
        )
    _row("ms a second of the host", [f"{1000 * one.idle.processor['host'] / one.idle.seconds:.1f}" for one in results])


def _row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:<34}" + "".join(f"{cell:>12}" for cell in cells))


async def measure(arguments: argparse.Namespace) -> None:
    results = []
    for files in arguments.files:
        print(f"{time.strftime('%H:%M:%S')} {files:,} files, load {os.getloadavg()[0]:.1f}", flush=True)
        conditions = Conditions(
            files=files,
            round_trip_ms=_ROUND_TRIP_MS,
            mode=arguments.mode,
            nodes=4,
            slots=8,
            quick_azurite=arguments.quick_azurite,
        )
        results.append(await run(conditions, arguments.waiting, arguments.idle))
        show(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--mode", type=Mode, default=Mode.COPY, choices=list(Mode))
    parser.add_argument("--waiting", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--quick-azurite", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments))


if __name__ == "__main__":
    main()
