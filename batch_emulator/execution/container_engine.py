"""Docker or Podman on this machine, through its command line."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: What is tried, in this order.
ENGINES: Final = ("docker", "podman")
#: In place of an engine: containers are refused, whatever is installed.
NO_ENGINE: Final = "none"
#: How long an engine may take to say that it works, in seconds: it may have to be woken.
_PATIENCE: Final = 20.0

#: What an engine's command line reads of its environment. All else that it has is a task's.
_OWN_VARIABLES: Final = re.compile(
    r"PATH|HOME|USER|TMPDIR|XDG_\w+|DOCKER_\w+|CONTAINERS?_\w+|BUILDAH_\w+|SSH_\w+|\w+_PROXY", re.IGNORECASE
)


class EngineError(Exception):
    """The engine has refused a command; its message is what it wrote last to standard error."""


@dataclass(frozen=True, kw_only=True)
class ContainerEngine:
    """An engine that answers. `is_rootless`: root in a container is the user who runs the emulator."""

    program: str
    is_rootless: bool

    async def call(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
        """Run a command of the engine to its end; return what it printed. Raises EngineError, OSError and ValueError.

        Cancelled, it is ended. Variables of an `environment` are for the command to pass on by name.
        """
        process = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**(environment or {}), **own_environment()},
        )
        try:
            output, complaint = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise EngineError(_last_line(complaint) or f"{self.program} ended with exit code {process.returncode}")
        return output.decode(errors="replace").strip()

    def remove_labelled(self, label: str) -> None:
        """Remove all containers that have a label; blocks. What cannot be removed stays."""
        found = _run([self.program, "ps", "--all", "--quiet", "--filter", f"label={label}"])
        if ids := (found or "").split():
            _run([self.program, "rm", "--force", *ids])


@dataclass(kw_only=True)
class ContainerEngines:
    """Finds the engine of this machine: `choice` is a program, empty for whichever answers first, or `none`."""

    choice: str = ""
    _found: ContainerEngine | None = None

    async def find(self) -> ContainerEngine | None:
        """Return an engine that answers; None if there is none now. One that was found stays."""
        if self._found is None:
            self._found = await asyncio.to_thread(self.find_now)
        return self._found

    def find_now(self) -> ContainerEngine | None:
        """Return an engine that answers; blocks."""
        if self.choice == NO_ENGINE:
            return None
        programs = (shutil.which(name) for name in ([self.choice] if self.choice else ENGINES))
        return next((engine for program in programs if program and (engine := _answering(program))), None)


def is_own(variable: str) -> bool:
    """Return whether an engine's command line reads a variable itself, so that it cannot hold a task's."""
    return _OWN_VARIABLES.fullmatch(variable) is not None


def own_environment() -> dict[str, str]:
    """Return what an engine's command line sees of the emulator's environment."""
    return {name: value for name, value in os.environ.items() if is_own(name)}


def _answering(program: str) -> ContainerEngine | None:
    """Ask an engine for its state: Docker's command line has none without its daemon."""
    text = _run([program, "info", "--format", "{{json .}}"])
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        info: Any = json.loads(text or "")
        # https://docs.podman.io/en/latest/markdown/podman-info.1.html
        if "host" in info:
            return ContainerEngine(program=program, is_rootless=bool(info["host"]["security"]["rootless"]))
        # https://docs.docker.com/engine/security/rootless: an option of the daemon's says so.
        if info.get("ServerVersion"):
            options = info.get("SecurityOptions") or ()
            return ContainerEngine(program=program, is_rootless="name=rootless" in options)
    return None


def _run(command: Sequence[str]) -> str | None:
    """Return what a command printed; None if it failed or took too long."""
    try:
        done = subprocess.run(  # noqa: S603 - the program is the operator's choice
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
            env=own_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1][:1000] if lines else ""
