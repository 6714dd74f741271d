"""One child process of the stack: started in its own group, logged to a file, ended as a group."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

from local import reaper
from local.errors import FolderError, NotInstalledError, NotReadyError, ProcessEndedError
from local.permissions import UMASK, make_private_folder, open_own_file

_GRACE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.03
_TAIL_LINES: Final = 20


class ChildProcess:
    """A running program: use `async with await ChildProcess.start(...)`; it is ended on leaving.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches only the stack, which
    then ends the children in order, each with all the processes it started.
    """

    def __init__(self, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Start the program with both outputs going to `log`; raise NotInstalledError, FolderError."""
        make_private_folder(log.parent)
        with _written_in_private(log) as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                    umask=UMASK,
                )
            except FileNotFoundError as exc:
                raise NotInstalledError(f"{name}: there is no program {command[0]!r}") from exc
        reaper.guard(process.pid)
        return cls(name, log, process)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._process.returncode

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    async def ended(self) -> ProcessEndedError:
        """Wait until the process ends by itself; return (not raise) what to report about it."""
        code = await self._process.wait()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ProcessEndedError(f"{self.name} {how}; the last lines of {self.log}:\n{self.tail() or '(nothing)'}")

    async def wait_until(self, ready: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """Return when `ready` holds; raise ProcessEndedError or, after `seconds`, NotReadyError."""
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    if self.exit_code is not None:
                        raise await self.ended()
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as exc:
            raise NotReadyError(
                f"{self.name} was not ready after {seconds:g} s; the last lines of {self.log}:\n"
                f"{self.tail() or '(nothing)'}"
            ) from exc

    async def wait_for_line(self, pattern: str, *, seconds: float) -> re.Match[str]:
        """Return the first match of `pattern` in a complete line of the log."""
        found: list[re.Match[str]] = []

        async def printed() -> bool:
            text = self.log.read_text(encoding="utf-8", errors="replace")
            complete = text[: text.rfind("\n") + 1]
            found.extend(re.finditer(pattern, complete))
            return bool(found)

        await self.wait_until(printed, seconds=seconds)
        return found[0]

    async def wait_for_end(self, *, seconds: float) -> None:
        """Return when the process ended well; raise ProcessEndedError or NotReadyError."""

        async def has_ended() -> bool:
            return self.exit_code == 0

        await self.wait_until(has_ended, seconds=seconds)

    async def stop(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """End the process: SIGTERM, after `grace_seconds` SIGKILL, for its whole group."""
        try:
            if self.exit_code is None:
                self._signal_group(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._process.wait(), grace_seconds)
        finally:
            # Also for what the process started and left behind, and when this wait is cancelled.
            await self.kill()

    async def kill(self) -> None:
        """End the process and its whole group at once, as a crash would."""
        self._signal_group(signal.SIGKILL)
        await self._process.wait()
        reaper.forget(self.pid)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _written_in_private(log: Path) -> BinaryIO:
    try:
        return open(log, "wb", opener=open_own_file)
    except OSError as exc:
        raise FolderError(f"the log {log} cannot be written ({exc.strerror or exc}): remove it") from exc
