"""Finds processes that a run left behind by leaving its process group.

They are recognised by the variables that every task is started with, and that its children inherit. On Linux they are
read from `/proc`, elsewhere by psutil: macOS does not show those of its own programs, such as `/bin/sh`.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

_PROC: Final = Path("/proc")

#: How long, in seconds, killed processes may take to be gone: one that waits for a disk can take its time.
_PATIENCE: Final = 5.0
#: How often a process is looked at that is just between two programs, and the pause between two looks in seconds.
#: On a busy machine one may stay there for as long as others keep it from running.
_LOOKS: Final = 200
_LOOK: Final = 0.005

#: `env_start` and `env_end` among the fields of `/proc/<pid>/stat` that follow the program's name (proc_pid_stat(5)).
_BOUNDS: Final = slice(47, 49)


def kill_leftovers(variable: str, path: Path, *, below: bool = False) -> None:
    """End every process whose environment has `variable` set to `path` (or to one below).

    Return when they are gone, and what they started meanwhile, too.
    """
    mark = f"{variable}={path}{'/' if below else ''}".encode()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = [pid for pid in psutil.pids() if _is_marked(pid, mark, exactly=not below)]
        if not found:
            return
        _kill(found, deadline)


def _is_marked(pid: int, mark: bytes, *, exactly: bool) -> bool:
    variables = _environment(pid)
    return mark in variables if exactly else any(each.startswith(mark) for each in variables)


def _environment(pid: int) -> list[bytes]:
    """Return a process's variables; none of one that is gone, or somebody else's."""
    if not _PROC.exists():
        with suppress(psutil.Error):
            return [os.fsencode(f"{name}={value}") for name, value in psutil.Process(pid).environ().items()]
        return []
    process = _PROC / str(pid)
    for _ in range(_LOOKS):
        try:
            if (variables := (process / "environ").read_bytes()) or _has_no_variables(process):
                return variables.split(b"\0")
        except OSError:
            return []
        time.sleep(_LOOK)
    return []


def _has_no_variables(process: Path) -> bool:
    """Return whether a process was started with an empty environment: it has bounds, and nothing between them.

    While a process turns into another program, both bounds are 0. Raises OSError for a zombie or a kernel thread, which
    have no program.
    """
    (process / "exe").readlink()
    start, end = (process / "stat").read_bytes().rpartition(b")")[2].split()[_BOUNDS]
    return start == end != b"0"


def _kill(pids: Iterable[int], deadline: float) -> None:
    """Kill processes and wait until they are gone, zombies at most: a signal alone ends nobody at once."""
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            process.kill()
            _wait(process, deadline)


def _wait(process: psutil.Process, deadline: float) -> None:
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(_LOOK)
