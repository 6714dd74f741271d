"""How busy this machine is: what all emulated nodes share. Where there is no `/proc`, everything is 0."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SECTOR: Final = 512
_MEGABYTE: Final = 1024 * 1024
_GIGABYTE: Final = 1024 * _MEGABYTE

#: The metrics that are counters here, and increases between two samples in formulas.
_COUNTERS: Final = (
    "$DiskReadBytes",
    "$DiskWriteBytes",
    "$DiskReadOps",
    "$DiskWriteOps",
    "$NetworkInBytes",
    "$NetworkOutBytes",
)


@dataclass(kw_only=True)
class Machine:
    """Measures the machine; each reading covers the time since the one before."""

    directory: Path
    _counters: dict[str, float] = field(default_factory=dict)
    _cpu: tuple[float, float] = (0.0, 0.0)

    def read(self) -> dict[str, float]:
        """Return the resource metrics by name: CPU from 0 to 1, memory in megabytes, disk in gigabytes.

        Units: documentation: batch-automatic-scaling; its examples compare `$CPUPercent` with 0.7.
        """
        counters = {**_disk(), **_network()}
        rates = {name: max(counters.get(name, 0) - self._counters.get(name, 0), 0.0) for name in _COUNTERS}
        if not self._counters:
            rates = dict.fromkeys(_COUNTERS, 0.0)
        self._counters = counters
        return {"$CPUPercent": self._busy(), "$MemoryBytes": _memory(), "$DiskBytes": self._used(), **rates}

    def _busy(self) -> float:
        fields = [float(part) for line in _lines("stat")[:1] for part in line.split()[1:9]]
        if not fields:
            return 0.0
        total, idle = sum(fields), fields[3] + fields[4]
        elapsed, idled = total - self._cpu[0], idle - self._cpu[1]
        self._cpu = (total, idle)
        return min(max(1 - idled / elapsed, 0.0), 1.0) if elapsed > 0 else 0.0

    def _used(self) -> float:
        with suppress(OSError):
            return shutil.disk_usage(self.directory).used / _GIGABYTE
        return 0.0


def _lines(name: str) -> list[str]:
    try:
        return (_PROC / name).read_text().splitlines()
    except OSError:
        return []


def _memory() -> float:
    sizes = {line.split(":")[0]: float(line.split()[1]) for line in _lines("meminfo")}
    return (sizes.get("MemTotal", 0) - sizes.get("MemAvailable", 0)) * 1024 / _MEGABYTE


def _disk() -> dict[str, float]:
    sums = dict.fromkeys(_COUNTERS[:4], 0.0)
    for parts in map(str.split, _lines("diskstats")):
        if len(parts) > 9 and not _is_partition(parts[2]):
            sums["$DiskReadOps"] += float(parts[3])
            sums["$DiskReadBytes"] += float(parts[5]) * _SECTOR
            sums["$DiskWriteOps"] += float(parts[7])
            sums["$DiskWriteBytes"] += float(parts[9]) * _SECTOR
    return sums


def _is_partition(device: str) -> bool:
    return not os.path.exists(f"/sys/block/{device}")  # noqa: PTH110 - one call for each of many devices


def _network() -> dict[str, float]:
    received = sent = 0.0
    for line in _lines("net/dev")[2:]:
        parts = line.partition(":")[2].split()
        received += float(parts[0])
        sent += float(parts[8])
    return {"$NetworkInBytes": received, "$NetworkOutBytes": sent}
