"""The project's Batch emulator as a process of the stack."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.permissions import make_private_folder
from local.ports import free_ports
from local.processes import ChildProcess

_CHECKOUT: Final = Path(__file__).parents[1]
_START_SECONDS: Final = 30.0

#: The emulator says once on its output where it listens.
_READY: Final = r"http://127\.0\.0\.1:\d+"


@dataclass(frozen=True, kw_only=True)
class BatchAccount:
    """The account that the emulator plays."""

    name: str
    key: str = field(repr=False)


#: What the emulator plays unless it is asked for another: its key is public, like that of Azurite's account.
DEFAULT_ACCOUNT: Final = BatchAccount(
    name="devbatchaccount1",
    key="u+OhrmOvQIdtH326o1XZ1h02bGWKaILaJ6CJz8NEVBijlorYx6aJHkUrqm4BfYFIdNA9jZ8rARIWAhR15ac0Lw==",
)


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A running Batch emulator; `endpoint` is the URL of its account."""

    endpoint: str
    process: ChildProcess


type RunningEmulator = AbstractAsyncContextManager[Emulator]


@asynccontextmanager
async def running(
    *,
    log: Path,
    location: Path,
    port: int | None = None,
    account: BatchAccount | None = None,
    storage: str | None = None,
    module: str = "batch_emulator",
) -> AsyncIterator[Emulator]:
    """Run the emulator, its state in `location`, until the block is left.

    Without `port`, a free one is chosen; without `account`, the emulator has its default one.
    `storage` is the connection string of the account for which it plays identities; `module` is what is run
    as the emulator. Raise NotReadyError or ProcessEndedError.
    """
    command = _command(module, port or free_ports(1)[0], location, account)
    # Not an argument: the list of processes shows arguments to everybody on this machine.
    env = {**os.environ, "BATCH_EMULATOR_STORAGE": storage or "", "BATCH_EMULATOR_KEY": account.key if account else ""}
    async with await ChildProcess.start("the Batch emulator", command, log=log, cwd=_CHECKOUT, env=env) as process:
        ready = await process.wait_for_line(_READY, seconds=_START_SECONDS)
        yield Emulator(endpoint=ready[0], process=process)


def _command(module: str, port: int, location: Path, account: BatchAccount | None) -> list[str]:
    make_private_folder(location)
    command = [sys.executable, "-m", module, "--port", str(port), "--location", str(location.resolve())]
    return [*command, "--account", account.name] if account else command
