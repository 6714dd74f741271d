"""The guard of this process: another small one that ends the others when this one is gone (`local/guard.py`)."""

import atexit
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

_SCRIPT: Final = Path(__file__).parent / "reaper_script.py"


class _Guard:
    """Starts the guard when there is something to guard; a forked child of this process has none."""

    def __init__(self) -> None:
        self._pipe: IO[bytes] | None = None
        self._owner = 0

    def send(self, line: str) -> None:
        if self._pipe is None or self._owner != os.getpid():
            self._pipe, self._owner = self._start(), os.getpid()
        # A guard that somebody ended guards nothing; that is no reason to fail.
        with contextlib.suppress(BrokenPipeError):
            self._pipe.write(line.encode())
            self._pipe.flush()

    def _start(self) -> IO[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the stack, which ends its processes itself.
            start_new_session=True,
        )
        atexit.register(_close, process)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        return process.stdin


_guard = _Guard()


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)


def guard(group: int) -> None:
    """Have a process group ended when this process is gone."""
    _guard.send(f"+{group}\n")


def forget(group: int) -> None:
    """Guard a process group no longer: it has ended, and its number may be another's."""
    _guard.send(f"-{group}\n")
