"""A local stack whose services are as far away as wanted: there is a relay between them and their clients."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiohttp
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential

from local import azurite, emulator, stack
from local.azurite import StoragePorts
from local.functions_host import HostKind
from local.ports import ADDRESS, free_ports
from local.processes import ChildProcess
from local.settings_file import CHECKOUT, AppSettings
from local.stack import Plan

_RELAY: Final = Path(__file__).with_name("delay_relay.py")
_LOOK_UPS: Final = Path(__file__).with_name("azurite_look_ups.cjs")
_PATIENCE_SECONDS: Final = 60

_UPLOADING: Final = """\
[[routes]]
name = "files"
match = "**"
command = "/bin/bash -c 'cat \\"$INPUT_FILE\\"'"
stdout = "upload"
"""


class Mode(StrEnum):
    """How what a command prints comes into the output container."""

    #: The app, or the peer in its place, reads it from the node and writes it.
    COPY = "copy"
    #: The node uploads it.
    UPLOAD = "upload"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which a job is done."""

    files: int
    round_trip_ms: float
    mode: Mode
    nodes: int
    slots: int
    #: Whether Azurite keeps everything in memory and looks it up by its indexes: what it does otherwise grows with the
    #: square of the files (`azurite_look_ups.cjs`).
    quick_azurite: bool = False


@dataclass(frozen=True, kw_only=True)
class Services:
    """Services that run, with containers, table and a pool whose nodes are idle.

    `plan` has the services' own addresses, for what looks on; `relayed` those of the relay, for what is measured.
    """

    plan: Plan
    relayed: AppSettings
    processes: Mapping[str, ChildProcess]
    #: By how much the relay makes a request longer, as measured before anything else goes on.
    round_trip_ms: float

    @property
    def by_port(self) -> dict[int | None, str]:
        """The name of the service behind each port of the relay."""
        return _by_port(self.relayed)


@asynccontextmanager
async def services(folder: Path, conditions: Conditions) -> AsyncIterator[Services]:
    """Run Azurite, the emulator and a relay before both until the block is left; raise StackError."""
    plan = _plan(folder, conditions)
    ports, port = plan.settings.storage_ports, plan.settings.batch_port
    if ports is None or port is None:
        raise RuntimeError("a throwaway stack has an Azurite and an emulator of its own")
    relayed = _relayed(plan.settings)
    location = None if conditions.quick_azurite else folder / "azurite"
    if conditions.quick_azurite:
        # Of all that this process starts, Azurite alone is a program of Node.js.
        os.environ["NODE_OPTIONS"] = f"--require={_LOOK_UPS}"
    async with AsyncExitStack() as parts:
        storage = await parts.enter_async_context(
            azurite.running(log=plan.logs / "azurite.log", location=location, ports=ports)
        )
        batch = await parts.enter_async_context(
            emulator.running(
                log=plan.logs / "batch-emulator.log",
                location=folder / "batch",
                port=port,
                account=plan.settings.batch_account,
                storage=ports.connection_string,
            )
        )
        relay = await parts.enter_async_context(_relay(plan, relayed, conditions.round_trip_ms))
        await stack.set_up(plan)
        await _wait_for_nodes(plan.settings, conditions.nodes)
        processes = {"Azurite": storage.process, "emulator": batch.process, "relay": relay}
        measured = await _request_ms(relayed) - await _request_ms(plan.settings)
        yield Services(plan=plan, relayed=relayed, processes=processes, round_trip_ms=measured)


def _plan(folder: Path, conditions: Conditions) -> Plan:
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    if conditions.mode is Mode.UPLOAD:
        Path(plan.settings.values["ROUTES_FILE"]).write_text(_UPLOADING, encoding="utf-8")
    nodes = {"POOL_NODE_COUNT": str(conditions.nodes), "POOL_TASK_SLOTS_PER_NODE": str(conditions.slots)}
    return replace(plan, settings=plan.settings.with_values(**nodes))


def _relayed(settings: AppSettings) -> AppSettings:
    blob, queue, table, batch = free_ports(4)
    storage = StoragePorts(blob=blob, queue=queue, table=table)
    return settings.moved_to(storage, f"http://{ADDRESS}:{batch}", settings.host_port)


def _by_port(settings: AppSettings) -> dict[int | None, str]:
    ports, batch = settings.storage_ports, settings.batch_port
    if ports is None or batch is None:
        raise RuntimeError("all services of a throwaway stack are on this machine")
    return {ports.blob: "blob", ports.queue: "queue", ports.table: "table", batch: "batch"}


@asynccontextmanager
async def _relay(plan: Plan, relayed: AppSettings, round_trip_ms: float) -> AsyncIterator[ChildProcess]:
    pairs = [f"{a}:{b}" for a, b in zip(_by_port(relayed), _by_port(plan.settings), strict=True)]
    command = [sys.executable, str(_RELAY), "--round-trip-ms", str(round_trip_ms), *pairs]
    async with await ChildProcess.start("the relay", command, log=plan.logs / "relay.log", cwd=CHECKOUT) as process:
        await process.wait_for_line("relaying with", seconds=_PATIENCE_SECONDS)
        yield process


async def _wait_for_nodes(settings: AppSettings, nodes: int) -> None:
    key = AzureNamedKeyCredential(settings.values["BATCH_ACCOUNT_NAME"], settings.values["BATCH_ACCOUNT_KEY"])
    async with (
        asyncio.timeout(_PATIENCE_SECONDS),
        BatchClient(settings.values["BATCH_ENDPOINT"], key) as batch,
    ):
        while True:
            states = [node.state async for node in batch.list_nodes(settings.values["BATCH_POOL_ID"])]
            if states == ["idle"] * nodes:
                return
            await asyncio.sleep(0.2)


async def _request_ms(settings: AppSettings) -> float:
    """Return how long a request takes that the Blob service refuses at once: the median of some."""
    ports = settings.storage_ports
    async with aiohttp.ClientSession() as http:
        times = []
        for _ in range(20):
            began = time.perf_counter()
            async with http.get(f"http://{ADDRESS}:{ports.blob if ports else 0}/") as response:
                await response.read()
            times.append(1000 * (time.perf_counter() - began))
        return statistics.median(times)
