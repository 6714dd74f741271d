"""Measure the Batch emulator, next to a bare aiohttp server that answers a constant of the same size.

    .venv/bin/python bench/emulator.py [--rounds 9] [--tasks 100000]

Both are processes of their own on this machine; rounds of one and the other take turns, and the median of
the rounds' ratios is printed, so that what else the machine does concerns both. A second ratio compares the
processor time that the two servers spent on a request: it is steadier still.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "bench")]

from load import Request, send_all  # noqa: E402 - a script finds the project's packages only now
from processor_time import TICK, ProcessorTime  # noqa: E402

from local.processes import ChildProcess  # noqa: E402

_READY: Final = r"http://127\.0\.0\.1:\d+"
_CHUNK: Final = 100


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    url: str
    process: ChildProcess

    def processor_seconds(self) -> float:
        return ProcessorTime.of(self.process.pid).own

    def memory(self, name: str = "VmRSS") -> float:
        """Return the process's memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    async def ask(self, method: str, path: str, document: object = None) -> bytes:
        body = json.dumps(document).encode() if document is not None else b""
        return await send_all(self.url, [Request(method=method, path=path, body=body)])


@asynccontextmanager
async def _started(folder: Path, *command: str) -> AsyncIterator[Server]:
    log = folder / f"{Path(command[0]).stem}-{time.monotonic_ns()}.log"
    async with await ChildProcess.start(
        command[0], [sys.executable, *command], log=log, cwd=CHECKOUT, env={**os.environ, **_compiled(folder)}
    ) as process:
        ready = await process.wait_for_line(_READY, seconds=60)
        yield Server(url=ready[0], process=process)


def _compiled(folder: Path) -> dict[str, str]:
    """Let Python keep its compiled modules, as it does unless an option forbids it."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def _emulator(folder: Path, location: str) -> tuple[Path, str, str, str, str, str, str]:
    return folder, "-m", "batch_emulator", "--port", "0", "--location", str(folder / location)


@dataclass(frozen=True, kw_only=True)
class Result:
    """Rounds of one kind of request: how many a second, and both ratios to the bare server."""

    name: str
    per_second: float
    ratio: float
    processor_ratio: float


async def _round(server: Server, requests: list[Request]) -> tuple[float, float]:
    """Return the requests a second, and the processor seconds of one."""
    spent, started = server.processor_seconds(), time.perf_counter()
    await send_all(server.url, requests)
    elapsed = time.perf_counter() - started
    return len(requests) / elapsed, max(server.processor_seconds() - spent, TICK) / len(requests)


async def _compare(name: str, emulator: Server, bare: Server, rounds: list[list[Request]]) -> Result:
    size = len(await send_all(emulator.url, rounds[0]))
    rates, ratios, times = [], [], [0.0, 0.0]
    for requests in rounds[1:]:
        same = [Request(method=each.method, path=f"/{size}", body=each.body) for each in requests]
        bare_rate, bare_time = await _round(bare, same)
        rate, processor = await _round(emulator, requests)
        rates.append(rate)
        ratios.append(rate / bare_rate)
        times = [times[0] + processor, times[1] + bare_time]
    return Result(
        name=name,
        per_second=statistics.median(rates),
        ratio=statistics.median(ratios),
        processor_ratio=times[1] / times[0],
    )


def _task(number: int) -> dict[str, object]:
    """Return a task as the project's app sends it: about a kilobyte when it is answered."""
    return {
        "id": f"task-{number:07}",
        "commandLine": "/bin/bash -c 'cat \"$INPUT_FILE\"'",
        "environmentSettings": [{"name": "INPUT_FILE", "value": f"input/{number:07}.txt"}],
        "constraints": {"maxWallClockTime": "PT1H", "maxTaskRetryCount": 2},
    }


def _addition(job: str, first: int, task: dict[str, object] | None = None) -> Request:
    tasks = [{**_task(number), **(task or {})} for number in range(first, first + _CHUNK)]
    return Request(method="POST", path=f"/jobs/{job}/addtaskcollection", body=json.dumps({"value": tasks}).encode())


async def _requests(emulator: Server, bare: Server, rounds: int, tasks: int) -> list[Result]:
    """Measure requests against a job of so many tasks that wait for a pool."""
    pages = [Request(method="GET", path="/jobs/job/tasks")] * 10
    starts = iter(range(tasks, 10**7, _CHUNK))
    adds = [[_addition("job", next(starts)) for _ in range(20)] for _ in range(rounds + 1)]
    return [
        await _compare("get task, the same 100", emulator, bare, [_gets(range(100)) for _ in range(rounds + 1)]),
        await _compare("get task, any of all", emulator, bare, [_gets(range(tasks)) for _ in range(rounds + 1)]),
        await _compare("list 1,000 tasks", emulator, bare, [pages] * (rounds + 1)),
        await _compare("add 100 tasks", emulator, bare, adds),
    ]


def _gets(numbers: Sequence[int]) -> list[Request]:
    """Ask for tasks of these numbers, each at random."""
    chosen = random.choices(numbers, k=4000)  # noqa: S311 - any numbers will do
    return [Request(method="GET", path=f"/jobs/job/tasks/task-{number:07}") for number in chosen]


async def _end_to_end(emulator: Server, tasks: int) -> float:
    """Return how many trivial tasks a second run, from the first request to the last completion."""
    image = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    machine = {"imageReference": image, "nodeAgentSKUId": "batch.node.ubuntu 24.04"}
    pool = {"id": "pool", "vmSize": "s", "targetDedicatedNodes": 2, "taskSlotsPerNode": 8}
    await emulator.ask("POST", "/pools", {**pool, "virtualMachineConfiguration": machine})
    await emulator.ask("POST", "/jobs", {"id": "run", "poolInfo": {"poolId": "pool"}})
    await asyncio.sleep(1)
    started = time.perf_counter()
    await send_all(emulator.url, [_addition("run", n, {"commandLine": "/bin/true"}) for n in range(0, tasks, _CHUNK)])
    while json.loads(await emulator.ask("GET", "/jobs/run/taskcounts"))["taskCounts"]["completed"] < tasks:
        await asyncio.sleep(0.05)
    return tasks / (time.perf_counter() - started)


async def _fill(emulator: Server, tasks: int) -> None:
    """Give the emulator its job of many tasks."""
    empty = emulator.memory()
    await emulator.ask("POST", "/jobs", {"id": "job", "poolInfo": {"poolId": "none"}})
    started = time.perf_counter()
    await send_all(emulator.url, [_addition("job", first) for first in range(0, tasks, _CHUNK)])
    seconds = time.perf_counter() - started
    print(f"{tasks:,} tasks added in {seconds:.1f} s ({tasks / seconds:,.0f} a second)")
    print(f"memory: {empty:.0f} MiB empty, {emulator.memory():.0f} MiB with {tasks:,} tasks")


async def _start(folder: Path, location: str) -> tuple[float, float]:
    """Return the seconds from the command to the line that says it is ready, and the processor's."""
    started = time.perf_counter()
    async with _started(*_emulator(folder, location)) as emulator:
        return time.perf_counter() - started, emulator.processor_seconds()


async def _start_ups(folder: Path) -> str:
    """Start five times with nothing, after a first start that compiles the modules."""
    await _start(folder, "first")
    seconds, processor = zip(*[await _start(folder, f"start-{number}") for number in range(5)], strict=True)
    return f"{statistics.median(seconds):.2f} s, {statistics.median(processor):.2f} s of processor time (median of 5)"


async def _measure(folder: Path, rounds: int, tasks: int) -> None:
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"start-up: {await _start_ups(folder)}")
    async with (
        _started(*_emulator(folder, "state")) as emulator,
        _started(folder, str(CHECKOUT / "bench" / "bare_server.py")) as bare,
    ):
        await _fill(emulator, tasks)
        print(f"\n{'':<24} {'requests/s':>10} {'of bare':>8} {'of bare, processor time':>24}")
        for result in await _requests(emulator, bare, rounds, tasks):
            line = f"{result.name:<24} {result.per_second:>10,.0f} {result.ratio:>8.2f}"
            print(f"{line} {result.processor_ratio:>24.2f}")
        print(f"\ntrivial tasks run end to end: {await _end_to_end(emulator, 1000):.0f} a second")
    print(f"start-up with more than {tasks:,} tasks: {(await _start(folder, 'state'))[0]:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tasks", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        asyncio.run(_measure(Path(folder), arguments.rounds, arguments.tasks))


if __name__ == "__main__":
    main()
