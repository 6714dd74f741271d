"""The metrics of a pool at one moment, for autoscale formulas."""

from collections.abc import Iterable
from typing import Final

from batch_emulator.autoscale.machine import Machine
from batch_emulator.scheduling.capacity import Pool
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.state import Store
from batch_emulator.values.states import NodeState
from batch_emulator.values.timestamps import Clock, from_wire

_USABLE: Final = frozenset({NodeState.IDLE, NodeState.RUNNING})


def pool_metrics(store: Store, clock: Clock, pool: Pool, machine: Machine) -> dict[str, float]:
    """Return the value of every metric of a pool, by its name in formulas."""
    nodes = store.nodes.of_pool(pool.no)
    return {
        **machine.read(),
        **_node_metrics(nodes, clock),
        **_task_metrics(store, pool.id),
        "$TaskSlotsPerNode": float(pool.slots_per_node),
    }


def _node_metrics(nodes: Iterable[NodeRow], clock: Clock) -> dict[str, float]:
    rows, now = list(nodes), clock.now()
    usable = [row for row in rows if row.state in _USABLE]
    dedicated = sum(row.dedicated for row in rows)
    return {
        "$SampleNodeCount": float(len(usable)),
        "$UsableNodeCount": float(len(usable)),
        "$CurrentDedicatedNodes": float(dedicated),
        "$CurrentLowPriorityNodes": float(len(rows) - dedicated),
        "$PreemptedNodeCount": float(sum(row.state == NodeState.PREEMPTED for row in rows)),
        "$WallClockSeconds": sum((now - from_wire(row.boot_time)).total_seconds() for row in usable),
    }


def _task_metrics(store: Store, pool_id: str) -> dict[str, float]:
    counts = store.tasks.of_pool(pool_id)
    return {
        "$ActiveTasks": float(counts.ready),
        "$RunningTasks": float(counts.running),
        "$PendingTasks": float(counts.ready + counts.running),
        "$SucceededTasks": float(counts.succeeded),
        "$FailedTasks": float(counts.failed),
    }
