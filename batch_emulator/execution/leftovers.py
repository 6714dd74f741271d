"""Finds processes that a run left behind by leaving its process group.

They are recognised by the variables that every task is started with, and that its children inherit.
Where there is no ``/proc`` nothing is found.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def kill_leftovers(variable: str, path: Path, *, below: bool = False) -> None:
    """End every process whose environment has ``variable`` set to ``path`` (or to one below)."""
    mark = f"{variable}={path}{'/' if below else ''}".encode()
    for pid in _processes():
        if _is_marked(pid, mark, exactly=not below):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[int]:
    with suppress(FileNotFoundError):
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _is_marked(pid: int, mark: bytes, *, exactly: bool) -> bool:
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return mark in variables if exactly else any(each.startswith(mark) for each in variables)
