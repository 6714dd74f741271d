"""The whole stack: what is started in which order, watched, and ended the other way round."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from local import azurite, emulator, functions_host, preflight
from local.azurite import StoragePorts
from local.errors import ProcessEndedError
from local.functions_host import FunctionsHost, HostKind
from local.lock import locked
from local.permissions import close_to_others
from local.ports import ADDRESS, free_ports
from local.processes import ChildProcess
from local.settings_file import CHECKOUT, AppSettings

_SETUP_SECONDS: Final = 120.0

type Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which stack is to run: its settings, the folder of its state and logs, its host."""

    settings: AppSettings
    folder: Path
    host: HostKind

    @classmethod
    def throwaway(cls, folder: Path, host: HostKind) -> "Plan":
        """Plan a stack on free ports with the example's settings, without the routes that the checkout may have."""
        routes = folder / "routes.toml"
        routes.touch()
        blob, queue, table, batch, functions = free_ports(5)
        settings = AppSettings.example().moved_to(
            StoragePorts(blob=blob, queue=queue, table=table),
            f"http://{ADDRESS}:{batch}",
            functions,
        )
        settings = settings.with_values(ROUTES_FILE=str(routes.absolute()))
        return cls(settings=settings, folder=folder, host=host)

    def with_routes(self, file: Path) -> "Plan":
        """Return the same plan with a file of routes."""
        return replace(self, settings=self.settings.with_values(ROUTES_FILE=str(file.absolute())))

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def wanted_ports(self) -> dict[str, int]:
        """Return every port the stack will listen on, by purpose."""
        wanted = {f"the Functions host ({self.host})": self.settings.host_port}
        if storage := self.settings.storage_ports:
            wanted["Azurite's Blob service"] = storage.blob
            wanted["Azurite's Queue service"] = storage.queue
            wanted["Azurite's Table service"] = storage.table
        if batch := self.settings.batch_port:
            wanted["the Batch emulator"] = batch
        return wanted


@dataclass(kw_only=True)
class Stack:
    """A running stack; what the settings place elsewhere has no process here."""

    plan: Plan
    host: FunctionsHost
    processes: list[ChildProcess] = field(default_factory=list)

    @property
    def dashboard(self) -> str:
        """The address of the page that shows what the app does."""
        return f"{self.host.url}/api/dashboard"

    async def first_end(self) -> ProcessEndedError:
        """Wait until one of the processes ends by itself; return what to report about it."""
        waits = [asyncio.create_task(process.ended()) for process in self.processes]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


@asynccontextmanager
async def running(plan: Plan, say: Say) -> AsyncIterator[Stack]:
    """Run the stack until the block is left, announcing each step; raise StackError."""
    settings = plan.settings
    processes: list[ChildProcess] = []
    async with AsyncExitStack() as running_parts:
        preflight.check_folder(plan.folder)
        # First of all: a second start says just that, and not which ports are taken.
        running_parts.enter_context(locked(plan.folder))
        close_to_others(plan.folder)
        await preflight.check(settings, plan.wanted_ports())
        if ports := settings.storage_ports:
            say("Starting Azurite...")
            storage = await running_parts.enter_async_context(_azurite(plan, ports))
            processes.append(storage.process)
        if port := settings.batch_port:
            say("Starting the Batch emulator...")
            batch = await running_parts.enter_async_context(_emulator(plan, port))
            processes.append(batch.process)
        say(f"Creating containers, table and pool [{settings.values.get('BATCH_POOL_ID')}]...")
        await set_up(plan)
        say(f"Starting the Functions host ({plan.host})...")
        log = plan.logs / "functions.log"
        host = await running_parts.enter_async_context(functions_host.running(plan.host, settings, log=log))
        yield Stack(plan=plan, host=host, processes=[*processes, host.process])


def _azurite(plan: Plan, ports: StoragePorts) -> azurite.RunningAzurite:
    return azurite.running(log=plan.logs / "azurite.log", location=plan.folder / "azurite", ports=ports)


def _emulator(plan: Plan, port: int) -> emulator.RunningEmulator:
    storage = plan.settings.storage_ports
    return emulator.running(
        log=plan.logs / "batch-emulator.log",
        location=plan.folder / "batch",
        port=port,
        account=plan.settings.batch_account,
        storage=storage.connection_string if storage else None,
    )


async def set_up(plan: Plan) -> None:
    """Make what the app needs in Storage and Batch, which must be running; raise StackError."""
    # The stack's settings are in its environment: the checkout's own file must add none.
    command = [sys.executable, "-m", "batch_core", "setup", "--settings", "-"]
    async with await ChildProcess.start(
        "the set-up (python -m batch_core setup)",
        command,
        log=plan.logs / "setup.log",
        env=plan.settings.environment(),
        cwd=CHECKOUT,
    ) as process:
        await process.wait_for_end(seconds=_SETUP_SECONDS)
