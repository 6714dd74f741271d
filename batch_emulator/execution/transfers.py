"""What a run brings to its node and takes from there."""

from dataclasses import dataclass

import aiohttp

from batch_emulator.applications import Applications
from batch_emulator.execution.container_engine import ContainerEngines
from batch_emulator.execution.downloads import Downloads
from batch_emulator.execution.packages import Packages
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.execution.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where runs get things from: `account` is the storage that identities give access to, if there is one.

    Application packages come from storage in the service; here from a directory. Images come through the engine.
    """

    account: StorageAccount | None
    applications: Applications
    engines: ContainerEngines


class Transfers:
    """The connections of one emulator to its sources."""

    def __init__(self, sources: Sources) -> None:
        self.packages = Packages(sources.applications)
        self.engines = sources.engines
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        # A blob is stored as it is, whatever its Content-Encoding says.
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        self.downloads = Downloads(self._session, sources.account)
        self.uploads = Uploads(self._session, sources.account)

    async def close(self) -> None:
        await self._session.close()
