"""What the kernel counts of a process: processor time, and memory."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: The unit in which the kernel counts, in seconds.
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class ProcessorTime:
    """Seconds of a process, and of the children that it has waited for; each is user's and system's together."""

    own: float
    children: float

    @classmethod
    def of(cls, pid: int) -> "ProcessorTime":
        """Read what a process has used so far."""
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        # The name, in parentheses, may hold spaces: utime, stime, cutime and cstime are fields 14 to 17.
        user, system, of_children, system_of_children = map(int, stat.rpartition(")")[2].split()[11:15])
        return cls(own=(user + system) * TICK, children=(of_children + system_of_children) * TICK)

    def __sub__(self, earlier: "ProcessorTime") -> "ProcessorTime":
        return ProcessorTime(own=self.own - earlier.own, children=self.children - earlier.children)


def peak_memory(pid: int) -> int:
    """Return the most memory that a running process has had so far, in bytes."""
    return _memory(pid, "VmHWM")


def memory(pid: int) -> int:
    """Return the memory that a running process has now, in bytes."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    if match is None:
        raise RuntimeError(f"the kernel does not report {name} of a process")
    return int(match[1]) * 1024
