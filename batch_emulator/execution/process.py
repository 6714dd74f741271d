"""A task's command as an operating system process, with everything it starts."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import psutil

from batch_emulator.execution.directories import RunDirectory
from batch_emulator.execution.environment import RUN_MARK
from batch_emulator.execution.leftovers import kill_leftovers
from batch_emulator.execution.outcome import launch_failed, program_not_found
from batch_emulator.regular_files import create, open_to_append

#: What Linux distributions ship with. The emulator's own may be stricter, and would change the modes that tasks pack.
_UMASK: Final = 0o022
#: Between two looks at a command, in seconds, where the system does not say that it has ended: on macOS.
_LOOK: Final = 0.02


class TaskProcess:
    """A running command: the leader of its own session and process group."""

    def __init__(self, popen: subprocess.Popen[bytes], working: Path) -> None:
        self._popen = popen
        self._working = working

    @classmethod
    def start(
        cls, command: list[str], directory: RunDirectory, environment: dict[str, str], *, append: bool = False
    ) -> Self:
        """Start the command in its working directory; its output may be appended to what exists. Raises RunError."""
        opened = open_to_append if append else create
        try:
            with opened(directory.stdout) as stdout, opened(directory.stderr) as stderr:
                popen = subprocess.Popen(  # noqa: S603 - running the user's command is the purpose
                    command,
                    cwd=directory.working,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    umask=_UMASK,
                )
        except FileNotFoundError as exc:
            raise program_not_found(command[0]) from exc
        except (OSError, ValueError) as exc:
            raise launch_failed(str(exc)) from exc
        return cls(popen, directory.working)

    async def wait(self, *, leaving_background: bool = False) -> int:
        """Return the exit code; -n for an end of the command itself by signal n.

        So the service shows it (https://github.com/Azure/Batch/issues/101); 128 + n is what a shell makes of a child.
        What the command left running in its process group is ended, unless it is to be left.
        """
        await self._exited()
        if not leaving_background:
            # The leader is not reaped yet, so its number cannot name another group.
            self._kill_group()
        return self._popen.wait()

    async def kill(self) -> int:
        """End the command and everything it started; return the exit code."""
        self._kill_group()
        code = await self.wait()
        await asyncio.to_thread(kill_leftovers, RUN_MARK, self._working)
        return code

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    async def _exited(self) -> None:
        """Wait until the command has ended, and leave it unreaped."""
        if not hasattr(os, "pidfd_open"):
            process = psutil.Process(self._popen.pid)
            while process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(_LOOK)
            return
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        descriptor = os.pidfd_open(self._popen.pid)
        loop.add_reader(descriptor, _resolve, ended)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
