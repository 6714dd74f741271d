"""Run the tour of the emulator's README with the real az command line: `make az-tour`.

Every command of the README's `console` block under "A tour with az" is run, and what it prints must be what
the README shows.
"""

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import batch_emulator
from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from local import emulator
from tests.batch_emulator.environments import python_environment

_README = Path(batch_emulator.__file__).parent / "README.md"
_TOUR = re.compile(r"^## A tour with az$.*?^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, and what it prints."""

    command: str
    output: str


def read_steps(readme: str) -> list[Step]:
    """Return the steps of the tour: a command begins with `$`, goes on with `>`, and its output follows."""
    found = _TOUR.search(readme)
    assert found, "the README has no tour"
    steps: list[Step] = []
    for line in found[1].splitlines(keepends=True):
        if line.startswith("$ "):
            steps.append(Step(command=line[2:], output=""))
        elif line.startswith("> "):
            steps[-1] = Step(command=steps[-1].command + line[2:], output="")
        else:
            steps[-1] = Step(command=steps[-1].command, output=steps[-1].output + line)
    return steps


async def main() -> int:
    """Return 0 if every command printed what the README says."""
    programs = python_environment("azure-cli", Path(__file__).with_name("requirements.txt"))
    with TemporaryDirectory(prefix="az-tour-") as temporary:
        folder = Path(temporary)
        async with emulator.running(log=folder / "emulator.log", location=folder / "state") as running:
            environment = _environment(programs, folder, running.endpoint)
            return await _walk(read_steps(_README.read_text()), environment, folder)


def _environment(programs: Path, folder: Path, endpoint: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        # az reads nothing of the user's own settings and logins, and reports nothing about the tour.
        "AZURE_CONFIG_DIR": str(folder / "azure"),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_BATCH_ACCOUNT": DEFAULT_ACCOUNT,
        "AZURE_BATCH_ACCESS_KEY": DEFAULT_KEY,
        "AZURE_BATCH_ENDPOINT": endpoint,
    }


async def _walk(steps: list[Step], environment: dict[str, str], folder: Path) -> int:
    for step in steps:
        print(f"$ {step.command}", end="", flush=True)
        code, output, errors = await _run(step.command, environment, folder)
        print(output, end="", flush=True)
        if code or output != step.output:
            print(f"exit code {code}; expected was:\n{step.output}\nerrors:\n{errors}", file=sys.stderr)
            return 1
    print(f"{len(steps)} commands, each with the output that the README shows")
    return 0


async def _run(command: str, environment: dict[str, str], folder: Path) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        env=environment,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_SECONDS):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
