"""What must hold before anything of the stack is started: each failure is one clear sentence, reported at once.

Settings, ports, the folder of the state, node and Azurite. (Python's version is looked at where `local` is imported.)
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local import azurite
from local.errors import FolderError, NotInstalledError, PortsTakenError, SettingsFileError
from local.permissions import make_private_folder
from local.ports import LAST_PORT, require_free
from local.settings_file import EXAMPLE, OWN, AppSettings

#: What the lock file of this checkout's npm packages was made and tested with.
OLDEST_NODE: Final = 20
_NODE_SECONDS: Final = 20.0


async def check(settings: AppSettings, ports: Mapping[str, int]) -> None:
    """Check everything that can be known before a process is started; raise the StackError that fits."""
    settings.validated()
    check_ports(ports, settings.file)
    if settings.storage_ports is not None:
        azurite.require_installed()
        await check_node()


def check_ports(ports: Mapping[str, int], file: Path) -> None:
    """Raise SettingsFileError for a port that there is not or that two want, PortsTakenError for one that is taken."""
    wanted: dict[int, str] = {}
    for purpose, port in ports.items():
        if not 1 <= port <= LAST_PORT:
            raise SettingsFileError(f"{file} names port {port} for {purpose}: there are 1 to {LAST_PORT}")
        if port in wanted:
            raise SettingsFileError(f"{file} names port {port} twice: for {wanted[port]} and for {purpose}")
        wanted[port] = purpose
    try:
        require_free(ports)
    except PortsTakenError as exc:
        # The example is not for changing: a copy of it is read in its place.
        own = OWN if file == EXAMPLE else file
        raise PortsTakenError(f'{exc} {own}: "Other ports" in local/README.md has them ready to copy.') from exc


def check_folder(folder: Path) -> None:
    """Raise FolderError unless files can be written in the folder, which is made if it is not there."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        make_private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        for one in made:
            with contextlib.suppress(OSError):
                one.rmdir()
        reason = exc.strerror or exc
        raise FolderError(
            f"the stack cannot keep its state in {folder} ({reason}): choose another with --state"
        ) from exc


async def check_node() -> None:
    """Raise NotInstalledError unless there is a node that is new enough."""
    node = shutil.which("node")
    if node is None:
        raise NotInstalledError(f"Azurite needs Node.js {OLDEST_NODE} or newer: there is no `node` on PATH")
    process = await asyncio.create_subprocess_exec(
        node, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), _NODE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        said = b""
    version = said.decode(errors="replace").strip()
    major = version.removeprefix("v").partition(".")[0]
    if not (major.isascii() and major.isdigit() and int(major) >= OLDEST_NODE):
        raise NotInstalledError(
            f"Azurite needs Node.js {OLDEST_NODE} or newer: {node} is {version or 'none that reports its version'}"
        )
