"""Drop many small files at once into a local stack and report what it cost.

    .venv/bin/python bench/burst.py [--files 1000] [--nodes 2] [--slots 8]

Starts a stack of its own (Azurite, the emulator, the embedded host) in a throwaway folder, drops the files, waits for
the last output, and prints the requests that the host's process sent, by service and operation, for each file; files a
second from the first drop to the last output; and the peak memory of that process.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from azure.storage.blob.aio import BlobServiceClient

CHECKOUT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "bench")]

from call_counts import Calls, calls_of, print_calls, recording  # noqa: E402 - a script finds its packages only now
from dropping import arrived, drop, names  # noqa: E402
from processor_time import peak_memory  # noqa: E402

from local import stack  # noqa: E402
from local.functions_host import HostKind  # noqa: E402
from local.stack import Plan  # noqa: E402

PATIENCE_SECONDS: Final = 600


@dataclass(frozen=True, kw_only=True)
class Burst:
    """What a run measured."""

    files: int
    seconds: float
    peak_bytes: int
    calls: Calls


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
        pid = running.host.process.pid
        peak = peak_memory(pid)
    return Burst(files=files, seconds=seconds, peak_bytes=peak, calls=calls_of(folder / f"{pid}.json", _services(plan)))


def _plan(folder: Path, nodes: int, slots: int) -> Plan:
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    more = {
        "POOL_NODE_COUNT": str(nodes),
        "POOL_TASK_SLOTS_PER_NODE": str(slots),
        **recording(folder),
    }
    return replace(plan, settings=plan.settings.with_values(**more))


async def _drop_and_wait(plan: Plan, files: int) -> float:
    async with BlobServiceClient.from_connection_string(plan.settings.values["DATA_STORAGE"]) as blobs:
        inputs, outputs = (blobs.get_container_client(name) for name in ("input", "output"))
        started = time.monotonic()
        await drop(inputs, names(files))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await arrived(outputs)) < files:
                await asyncio.sleep(0.5)
        return time.monotonic() - started


def _services(plan: Plan) -> dict[int | None, str]:
    ports = plan.settings.storage_ports
    if ports is None:
        raise RuntimeError("a throwaway stack has an Azurite of its own")
    return {ports.blob: "blob", ports.queue: "queue", ports.table: "table", plan.settings.batch_port: "batch"}


def _print(burst: Burst) -> None:
    print(f"{burst.files} files in {burst.seconds:.1f} s: {burst.files / burst.seconds:.1f} files/s")
    print(f"peak memory of the host's process: {burst.peak_bytes / 2**20:.0f} MiB\n")
    print_calls(burst.calls, burst.files)


if __name__ == "__main__":
    main()
