"""How busy this machine is: what all emulated nodes share."""

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

_MEGABYTE: Final = 1024 * 1024
_GIGABYTE: Final = 1024 * _MEGABYTE


@dataclass(kw_only=True)
class Machine:
    """Measures the machine; each reading covers the time since the one before."""

    directory: Path
    _counters: dict[str, int] = field(default_factory=dict)

    def read(self) -> dict[str, float]:
        """Return the resource metrics by name: CPU from 0 to 1, memory in megabytes, disk in gigabytes.

        Units: documentation: batch-automatic-scaling; its examples compare `$CPUPercent` with 0.7.
        """
        counters = {**_disk(), **_network()}
        rates = {name: float(max(value - self._counters.get(name, value), 0)) for name, value in counters.items()}
        self._counters = counters
        memory = psutil.virtual_memory()
        return {
            "$CPUPercent": psutil.cpu_percent() / 100,
            "$MemoryBytes": (memory.total - memory.available) / _MEGABYTE,
            "$DiskBytes": self._used(),
            **rates,
        }

    def _used(self) -> float:
        with suppress(OSError):
            return shutil.disk_usage(self.directory).used / _GIGABYTE
        return 0.0


def _disk() -> dict[str, int]:
    # None in a container that shows no disk.
    counters = psutil.disk_io_counters()
    return {
        "$DiskReadBytes": counters.read_bytes if counters else 0,
        "$DiskWriteBytes": counters.write_bytes if counters else 0,
        "$DiskReadOps": counters.read_count if counters else 0,
        "$DiskWriteOps": counters.write_count if counters else 0,
    }


def _network() -> dict[str, int]:
    counters = psutil.net_io_counters()
    return {
        "$NetworkInBytes": counters.bytes_recv if counters else 0,
        "$NetworkOutBytes": counters.bytes_sent if counters else 0,
    }
