"""Azurite, Microsoft's Storage emulator: the pinned npm package of this checkout, run with node."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.errors import NotInstalledError
from local.permissions import make_private_folder
from local.ports import ADDRESS, accepts_connections, free_ports
from local.processes import ChildProcess

ACCOUNT_NAME: Final = "devstoreaccount1"

#: The key every Azurite accepts: public, and the same everywhere.
#: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_SCRIPT: Final = Path(__file__).parents[1] / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_START_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class StoragePorts:
    """Where the three services listen; the defaults are what `UseDevelopmentStorage=true` means."""

    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @classmethod
    def free(cls) -> "StoragePorts":
        """Choose three ports on which nothing listens now."""
        blob, queue, table = free_ports(3)
        return cls(blob=blob, queue=queue, table=table)

    @property
    def blob_endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.blob}/{ACCOUNT_NAME}"

    @property
    def queue_endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.queue}/{ACCOUNT_NAME}"

    @property
    def table_endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.table}/{ACCOUNT_NAME}"

    @property
    def connection_string(self) -> str:
        """The connection string of all three services, with the well-known key."""
        return self.connection_string_of(ACCOUNT_NAME)

    def connection_string_of(self, account: str) -> str:
        """Return the connection string of one of the accounts, which all have the well-known key."""
        blob, queue, table = (f"http://{ADDRESS}:{port}/{account}" for port in (self.blob, self.queue, self.table))
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={blob};QueueEndpoint={queue};TableEndpoint={table};"
        )

    async def all_answer(self) -> bool:
        """Return whether all three services accept connections."""
        ports = (self.blob, self.queue, self.table)
        return all(await asyncio.gather(*map(accepts_connections, ports)))


@dataclass(frozen=True, kw_only=True)
class Azurite:
    """A running Azurite."""

    ports: StoragePorts
    process: ChildProcess

    @property
    def connection_string(self) -> str:
        return self.ports.connection_string


type RunningAzurite = AbstractAsyncContextManager[Azurite]


@asynccontextmanager
async def running(
    *,
    log: Path,
    location: Path | None = None,
    ports: StoragePorts | None = None,
    accounts: Sequence[str] = (ACCOUNT_NAME,),
) -> AsyncIterator[Azurite]:
    """Run Azurite until the block is left.

    `location` keeps the data in that folder; without it they live in memory. Without `ports`,
    free ones are chosen. All `accounts` have the well-known key. Raise NotInstalledError,
    NotReadyError or ProcessEndedError.
    """
    ports = ports or StoragePorts.free()
    command = _command(ports, location)
    environment = _environment(accounts)
    async with await ChildProcess.start("Azurite", command, log=log, env=environment, cwd=log.parent) as process:
        await process.wait_until(ports.all_answer, seconds=_START_SECONDS)
        yield Azurite(ports=ports, process=process)


def require_installed() -> None:
    """Raise NotInstalledError unless this checkout has its Azurite."""
    if not _SCRIPT.exists():
        raise NotInstalledError(f"Azurite is not installed (no {_SCRIPT}): run `make setup`")


def _command(ports: StoragePorts, location: Path | None) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise NotInstalledError("Azurite needs Node.js 20 or newer: there is no `node` on PATH")
    require_installed()
    # The SDKs send a newer x-ms-version than Azurite 3.35 knows; it answers them all the same.
    command = [node, str(_SCRIPT), "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    for service in ("blob", "queue", "table"):
        command += [f"--{service}Host", ADDRESS, f"--{service}Port", str(getattr(ports, service))]
    if location is None:
        return [*command, "--inMemoryPersistence"]
    make_private_folder(location)
    return [*command, "--location", str(location.resolve())]


def _environment(accounts: Sequence[str]) -> dict[str, str]:
    # AZURITE_ACCOUNTS and AZURITE_DB of the developer's own would change accounts and storage.
    own = {name: value for name, value in os.environ.items() if not name.startswith("AZURITE_")}
    return own | {"AZURITE_ACCOUNTS": ";".join(f"{account}:{ACCOUNT_KEY}" for account in accounts)}
