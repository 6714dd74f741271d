"""Run clients of other versions against a throwaway emulator: ``make clients``.

Each client is a program that gets the emulator's URL, account and key, and fails at the first difference
from what it expects.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from local import emulator
from tests.batch_emulator.environments import node_environment, python_environment

_HERE = Path(__file__).parent


async def main() -> int:
    """Return the number of clients that did not find what they expect."""
    commands = [_python(), _javascript()]
    with TemporaryDirectory(prefix="clients-") as temporary:
        folder = Path(temporary)
        async with emulator.running(log=folder / "emulator.log", location=folder / "state") as running:
            return sum([await _fails(command, running.endpoint) for command in commands])


def _python() -> list[str]:
    programs = python_environment("clients-python", _HERE / "requirements.txt")
    return [str(programs / "python"), str(_HERE / "python_14.py")]


def _javascript() -> list[str]:
    folder = node_environment("clients-javascript", _HERE / "package-lock.json")
    # A module is looked for beside the program that imports it.
    return ["node", shutil.copy(_HERE / "javascript.mjs", folder)]


async def _fails(command: list[str], endpoint: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, endpoint, DEFAULT_ACCOUNT, DEFAULT_KEY)
    return await process.wait() != 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
