"""How many core hours the nodes of pools have used: computed from the nodes that exist.

The service keeps a history; here nodes that are gone are not counted any more.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from batch_emulator.store.nodes import NodeRow
from batch_emulator.values.documents import Document
from batch_emulator.values.timestamps import from_wire, to_wire
from batch_emulator.values.vm_sizes import cores_of, title_of

#: Length of an aggregation interval of the service.
INTERVAL: Final = timedelta(minutes=30)


def last_interval(now: datetime) -> tuple[datetime, datetime]:
    """Return the last whole half hour."""
    end = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    return end - INTERVAL, end


def intervals(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the half hours that lie in a stretch of time."""
    if start >= end:
        return []
    _, first = last_interval(start + INTERVAL - timedelta(microseconds=1))
    count = max(int((end - first) / INTERVAL), 0)
    return [(first + number * INTERVAL, first + (number + 1) * INTERVAL) for number in range(count)]


def usage_on_wire(
    pool_id: str, vm_size: str, nodes: Iterable[NodeRow], interval: tuple[datetime, datetime]
) -> Document | None:
    """Return the metrics of one pool and interval, None where the pool had no nodes then.

    The pool's id is in lower case, the size in its own spelling (recording `PoolGetPoolUsageMetrics`).
    """
    start, end = interval
    shares = [end - max(start, from_wire(node.allocation_time)) for node in nodes]
    used = sum((share for share in shares if share > timedelta(0)), timedelta(0))
    if not used:
        return None
    return {
        "poolId": pool_id.lower(),
        "startTime": to_wire(start),
        "endTime": to_wire(end),
        "vmSize": title_of(vm_size),
        "totalCoreHours": round(used / timedelta(hours=1) * cores_of(vm_size), 6),
    }
