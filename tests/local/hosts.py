"""Hosts as processes of their own: an app can be indexed once per process."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.ports import free_ports
from local.processes import ChildProcess

CHECKOUT: Final = Path(__file__).parents[2]
APPS: Final = Path(__file__).parent / "apps"


@dataclass(frozen=True, kw_only=True)
class RunningHost:
    url: str
    process: ChildProcess
    journal: Path

    def notes(self, kind: str, **wanted) -> list[dict]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        notes = [json.loads(line) for line in lines]
        return [n for n in notes if n.pop("kind") == kind and wanted.items() <= n.items()]


@asynccontextmanager
async def host(app: Path, connection_string: str, folder: Path, **settings: str):
    """Run the host for an app; its journal and log are in `folder` and outlive it."""
    port = free_ports(1)[0]
    journal = folder / "journal.jsonl"
    own = {
        "AzureWebJobsStorage": connection_string,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureFunctionsWebHost__hostid": "testhost",
        "JOURNAL": str(journal),
        "TICK": "0 0 4 1 1 *",
    }
    command = [sys.executable, "-m", "local.host", "--port", str(port), "--app", str(app)]
    async with await ChildProcess.start(
        "the host",
        command,
        log=folder / "host.log",
        env={**os.environ, **own, **settings},
        cwd=CHECKOUT,
    ) as process:
        await process.wait_for_line("Functions host ready", seconds=30)
        yield RunningHost(url=f"http://127.0.0.1:{port}", process=process, journal=journal)


async def eventually[T](look: Callable[[], T], seconds: float = 15) -> T:
    """Return what `look` gives once it is true; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never came true: {look}"
        await asyncio.sleep(0.05)
    return seen


async def arrived(queue: QueueClient, seconds: float = 20) -> list[str]:
    """Return the messages of a queue, which the host makes when it first needs it; fail after the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(ResourceNotFoundError):
                if messages := [message.content async for message in queue.receive_messages()]:
                    return messages
            await asyncio.sleep(0.1)
