"""The stack that is harmed: Azurite all the time, the emulator and the Functions host as long as nobody kills them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient

from chaos import routes
from chaos.host import AHEAD_VARIABLE
from chaos.relays import ENDS_QUEUE, Relays, relays_to
from chaos.restartable import Restartable
from local import azurite, emulator, functions_host, stack
from local.functions_host import HostKind
from local.stack import Plan

#: The host keeps its receipts and its queue under this id.
HOST_ID: Final = "chaos"
_COMMAND: Final = Path(__file__).with_name("command.sh")
#: Everything quick, so that minutes show what takes hours else.
_QUICK: Final = {
    "COLLECT_SCHEDULE": "* * * * * *",
    "SWEEP_SCHEDULE": "*/4 * * * * *",
    "SCALE_SCHEDULE": "*/2 * * * * *",
    "SWEEP_GRACE": "PT3S",
    "EXPLAIN_AFTER": "PT5S",
    "OUTPUT_PATIENCE": "PT10S",
    "EVENTS_QUEUE": ENDS_QUEUE,
    "POOL_NODE_COUNT": "3",
    "POOL_TASK_SLOTS_PER_NODE": "4",
    "AzureFunctionsWebHost__hostid": HOST_ID,
}


@dataclass(frozen=True, kw_only=True)
class System:
    """The parts, and clients that look at them from outside."""

    plan: Plan
    ledger: Path
    relays: Relays
    emulator: Restartable
    host: Restartable
    http: aiohttp.ClientSession
    batch: BatchClient
    table: TableClient
    inputs: ContainerClient
    outputs: ContainerClient
    hosts: ContainerClient
    events: QueueClient
    #: Where the app announces that tasks have ended.
    ends: QueueClient

    def control(self, path: str) -> str:
        """Return the URL of something that the emulator does on demand."""
        return f"{self.plan.settings.values['BATCH_ENDPOINT']}/_emulator/{path}"


@asynccontextmanager
async def running(folder: Path, clock_ahead: float) -> AsyncIterator[System]:
    """Run a stack of its own in `folder` until the block is left; raise StackError.

    The host's clock is so many seconds ahead of the services'.
    """
    ledger = folder / "ledger.txt"
    plan = _plan(folder, ledger, clock_ahead)
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(
            azurite.running(log=plan.logs / "azurite.log", ports=plan.settings.storage_ports)
        )
        relays = await parts.enter_async_context(relays_to(dict(plan.settings.values)))
        system = await _with_clients(plan, ledger, relays, parts)
        parts.push_async_callback(system.emulator.stop)
        await system.emulator.start()
        await stack.set_up(plan)
        parts.push_async_callback(system.host.stop)
        await system.host.start()
        yield system


def _plan(folder: Path, ledger: Path, clock_ahead: float) -> Plan:
    plan = Plan.throwaway(folder, HostKind.EMBEDDED)
    command = f"/bin/bash '{_COMMAND}' '{ledger}'"
    file = folder / "routes.toml"
    file.write_text(routes.toml(command), encoding="utf-8")
    plan = plan.with_routes(file)
    values = {**plan.settings.values, **_QUICK, "TASK_COMMAND_LINE": command, AHEAD_VARIABLE: str(clock_ahead)}
    return replace(plan, settings=replace(plan.settings, values=values))


async def _with_clients(plan: Plan, ledger: Path, relays: Relays, parts: AsyncExitStack) -> System:
    values = plan.settings.values
    storage, key = (
        values["DATA_STORAGE"],
        AzureNamedKeyCredential(values["BATCH_ACCOUNT_NAME"], values["BATCH_ACCOUNT_KEY"]),
    )
    blobs = await parts.enter_async_context(BlobServiceClient.from_connection_string(storage))
    queue = f"azure-webjobs-blobtrigger-{HOST_ID}"
    return System(
        plan=plan,
        ledger=ledger,
        relays=relays,
        emulator=Restartable(lambda kills: _emulator(plan, kills)),
        host=Restartable(lambda kills: _host(plan, relays, kills)),
        http=await parts.enter_async_context(aiohttp.ClientSession()),
        batch=await parts.enter_async_context(BatchClient(values["BATCH_ENDPOINT"], key)),
        table=await parts.enter_async_context(TableClient.from_connection_string(storage, values["TABLE_NAME"])),
        inputs=blobs.get_container_client(values["INPUT_CONTAINER"]),
        outputs=blobs.get_container_client(values["OUTPUT_CONTAINER"]),
        hosts=blobs.get_container_client("azure-webjobs-hosts"),
        events=await parts.enter_async_context(QueueClient.from_connection_string(storage, queue)),
        ends=await parts.enter_async_context(QueueClient.from_connection_string(storage, ENDS_QUEUE)),
    )


def _emulator(plan: Plan, kills: int) -> emulator.RunningEmulator:
    return emulator.running(
        log=plan.logs / f"batch-emulator-{kills}.log",
        location=plan.folder / "batch",
        port=plan.settings.batch_port,
        account=plan.settings.batch_account,
    )


def _host(plan: Plan, relays: Relays, kills: int) -> functions_host.RunningHost:
    settings = replace(plan.settings, values=relays.led_through(dict(plan.settings.values)))
    module = "chaos.host"
    return functions_host.running(plan.host, settings, module=module, log=plan.logs / f"functions-{kills}.log")
