"""What a run brings to its node and takes from there."""

import aiohttp

from batch_emulator.execution.downloads import Downloads
from batch_emulator.execution.packages import Packages
from batch_emulator.execution.storage_account import StorageAccount
from batch_emulator.execution.uploads import Uploads


class Transfers:
    """The connections to storage of one emulator; `account` is what identities give access to.

    Application packages come from storage in the service; here from a directory.
    """

    def __init__(self, account: StorageAccount | None, packages: Packages) -> None:
        self.packages = packages
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        # A blob is stored as it is, whatever its Content-Encoding says.
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        self.downloads = Downloads(self._session, account)
        self.uploads = Uploads(self._session, account)

    async def close(self) -> None:
        await self._session.close()
