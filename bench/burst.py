"""Drop many small files at once into a local stack and report what it cost.

    .venv/bin/python bench/burst.py [--files 1000] [--nodes 2] [--slots 8]

Starts a stack of its own (Azurite, the emulator, the embedded host) in a throwaway folder, drops the files, waits for
the last output, and prints the requests that the host's process sent, by service and operation, for each file; files a
second from the first drop to the last output; and the peak memory of that process.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from azure.storage.blob.aio import BlobServiceClient, ContainerClient

CHECKOUT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))

from local import stack  # noqa: E402 - a script finds the project's packages only now
from local.functions_host import HostKind  # noqa: E402
from local.stack import Plan, Stack  # noqa: E402

PATIENCE_SECONDS: Final = 600
#: Requests of the host's own: its trigger's listings, receipts and queue messages.
HOST: Final = "(the host's own)"

# The first that fits names the operation: method, path, and what the query says.
OPERATIONS: Final = [
    ("batch", r"POST .*/addtaskcollection", "add tasks"),
    ("batch", r"POST .*/jobs$", "create job"),
    ("batch", r"GET .*/tasks$", "list completed tasks"),
    ("batch", r"GET .*/files/std(out|err)\.txt", "read stdout or stderr"),
    ("queue", r".*", HOST),
    ("blob", r".*/azure-webjobs-hosts", HOST),
    ("blob", r"GET .*comp=list", HOST),
    ("blob", r"HEAD .*/input/", "look at the input (both)"),
    ("blob", r"PUT .*/output/", "write stdout or stderr"),
    ("table", r"POST .*/\$batch", "transaction"),
    ("table", r"GET .*", "query"),
    ("table", r"(POST|PUT|PATCH|MERGE) .*", "single write"),
]


@dataclass(frozen=True, kw_only=True)
class Burst:
    """What a run measured."""

    files: int
    seconds: float
    peak_bytes: int
    calls: Counter[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--slots", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="burst-") as folder:
        _print(asyncio.run(_measure(Path(folder), arguments.files, arguments.nodes, arguments.slots)))


async def _measure(folder: Path, files: int, nodes: int, slots: int) -> Burst:
    plan = _plan(folder, nodes, slots)
    async with stack.running(plan, lambda _: None) as running:
        seconds = await _drop_and_wait(plan, files)
        peak = _peak_memory(running)
        pid = running.host.process.pid
    return Burst(files=files, seconds=seconds, peak_bytes=peak, calls=_calls(plan, folder / f"{pid}.json"))


def _plan(folder: Path, nodes: int, slots: int) -> Plan:
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    more = {
        "POOL_NODE_COUNT": str(nodes),
        "POOL_TASK_SLOTS_PER_NODE": str(slots),
        "CALL_COUNTS": str(folder),
        "PYTHONPATH": str(Path(__file__).parent / "recorder"),
    }
    return replace(plan, settings=replace(plan.settings, values={**plan.settings.values, **more}))


async def _drop_and_wait(plan: Plan, files: int) -> float:
    async with BlobServiceClient.from_connection_string(plan.settings.values["DATA_STORAGE"]) as blobs:
        inputs, outputs = (blobs.get_container_client(name) for name in ("input", "output"))
        started = time.monotonic()
        await asyncio.gather(*(_drop(inputs, first, files) for first in range(8)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Two outputs a file: what was printed, and what was complained of.
            while await _count(outputs) < 2 * files:
                await asyncio.sleep(0.5)
        return time.monotonic() - started


async def _drop(inputs: ContainerClient, first: int, files: int) -> None:
    for number in range(first, files, 8):
        await inputs.upload_blob(f"{number:06}.txt", f"file {number}\n".encode())


async def _count(container: ContainerClient) -> int:
    return len([name async for name in container.list_blob_names()])


def _peak_memory(running: Stack) -> int:
    status = Path(f"/proc/{running.host.process.pid}/status").read_text(encoding="utf-8")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    if match is None:
        raise RuntimeError("the kernel does not report the peak memory of a process (VmHWM)")
    return int(match[1]) * 1024


def _calls(plan: Plan, counts: Path) -> Counter[tuple[str, str]]:
    ports = plan.settings.storage_ports
    if ports is None:
        raise RuntimeError("a throwaway stack has an Azurite of its own")
    services = {ports.blob: "blob", ports.queue: "queue", ports.table: "table", plan.settings.batch_port: "batch"}
    calls: Counter[tuple[str, str]] = Counter()
    for method, url, query, count in json.loads(counts.read_text(encoding="utf-8")):
        service = services[int(url.split("/")[2].rpartition(":")[2])]
        calls[service, _operation(service, f"{method} {url} {query}".strip())] += count
    return calls


def _operation(service: str, request: str) -> str:
    for of_service, pattern, name in OPERATIONS:
        if service == of_service and re.match(pattern, request):
            return name
    return re.sub(r" \S*", " ", request, count=1)


def _print(burst: Burst) -> None:
    print(f"{burst.files} files in {burst.seconds:.1f} s: {burst.files / burst.seconds:.1f} files/s")
    print(f"peak memory of the host's process: {burst.peak_bytes / 2**20:.0f} MiB\n")
    print(f"{'service':<8} {'operation':<26} {'requests':>8} {'per file':>9}")
    for (service, operation), count in sorted(burst.calls.items()):
        print(f"{service:<8} {operation:<26} {count:>8} {count / burst.files:>9.3f}")
    own = sum(count for (_, operation), count in burst.calls.items() if operation != HOST)
    print(f"{'app':<8} {'all':<26} {own:>8} {own / burst.files:>9.3f}")


if __name__ == "__main__":
    main()
