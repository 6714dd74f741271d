"""Run clients of other versions against a throwaway emulator: `make clients`.

Each client is a program that gets URL, account and key of the emulator (some of them Azurite's URL and key, too), and
fails at the first difference from what it expects.
"""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from local import azurite, emulator
from tests.batch_emulator.environments import node_environment, python_environment

_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client's program; `files` says whether it wants Storage, too."""

    command: list[str]
    files: bool


async def main() -> int:
    """Return the number of clients that did not find what they expect."""
    clients = _clients()
    with TemporaryDirectory(prefix="clients-") as temporary:
        folder = Path(temporary)
        async with (
            azurite.running(log=folder / "azurite.log") as storage,
            emulator.running(log=folder / "emulator.log", location=folder / "state") as running,
        ):
            batch = [running.endpoint, DEFAULT_ACCOUNT, DEFAULT_KEY]
            files = [storage.ports.blob_endpoint, azurite.ACCOUNT_KEY]
            failed = [await _fails([*each.command, *batch, *(files if each.files else [])]) for each in clients]
    return sum(failed)


def _clients() -> list[Client]:
    return [
        _python("6"),
        _python("ffmpeg", files=True),
        _python("11", files=True),
        _python("12", files=True),
        _python("14"),
        _javascript("8", "javascript_sample.mjs"),
        _javascript("8", "javascript.mjs"),
        _javascript("10", "javascript.mjs"),
        _python("airflow"),
    ]


def _python(name: str, *, files: bool = False) -> Client:
    programs = python_environment(f"clients-python-{name}", _HERE / f"requirements_{name}.txt")
    return Client(command=[str(programs / "python"), str(_HERE / f"python_{name}.py")], files=files)


def _javascript(release: str, program: str) -> Client:
    folder = node_environment(f"clients-javascript-{release}", _HERE / f"javascript_{release}" / "package-lock.json")
    # A module is looked for beside the program that imports it.
    return Client(command=["node", shutil.copy(_HERE / program, folder)], files=False)


async def _fails(command: list[str]) -> bool:
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait() != 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
