"""Run clients of other versions against a throwaway emulator: `make clients`.

Each client is a program that gets the emulator's URL, account and key (one of them also Azurite's URL and key), and
fails at the first difference from what it expects.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from local import azurite, emulator
from tests.batch_emulator.environments import node_environment, python_environment

_HERE = Path(__file__).parent


async def main() -> int:
    """Return the number of clients that did not find what they expect."""
    quickstart, *others = [*map(_python, (11, 12, 6, 14)), _javascript()]
    with TemporaryDirectory(prefix="clients-") as temporary:
        folder = Path(temporary)
        async with (
            azurite.running(log=folder / "azurite.log") as storage,
            emulator.running(log=folder / "emulator.log", location=folder / "state") as running,
        ):
            batch = [running.endpoint, DEFAULT_ACCOUNT, DEFAULT_KEY]
            failed = [await _fails([*command, *batch]) for command in others]
            files = [storage.ports.blob_endpoint, azurite.ACCOUNT_KEY]
            return sum([*failed, await _fails([*quickstart, *batch, *files])])


def _python(release: int) -> list[str]:
    programs = python_environment(f"clients-python-{release}", _HERE / f"requirements_{release}.txt")
    return [str(programs / "python"), str(_HERE / f"python_{release}.py")]


def _javascript() -> list[str]:
    folder = node_environment("clients-javascript", _HERE / "package-lock.json")
    # A module is looked for beside the program that imports it.
    return ["node", shutil.copy(_HERE / "javascript.mjs", folder)]


async def _fails(command: list[str]) -> bool:
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait() != 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
