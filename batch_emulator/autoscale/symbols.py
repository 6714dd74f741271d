"""The names that the service defines (documentation: batch-automatic-scaling, "Variables")."""

from collections.abc import Mapping
from typing import Final

from batch_emulator.autoscale.values import INTERVALS, Value
from batch_emulator.values.states import DeallocationOption

DEDICATED: Final = "$TargetDedicatedNodes"
LOW_PRIORITY: Final = "$TargetLowPriorityNodes"
DEALLOCATION: Final = "$NodeDeallocationOption"

#: Both names may be used; the full name wins where both are assigned (documentation: batch-automatic-scaling).
ALIASES: Final = {"$TargetDedicated": DEDICATED, "$TargetLowPriority": LOW_PRIORITY}
TARGETS: Final = (DEDICATED, LOW_PRIORITY)

#: The service-defined variables that can only be read.
METRICS: Final = (
    "$CPUPercent",
    "$WallClockSeconds",
    "$MemoryBytes",
    "$DiskBytes",
    "$DiskReadBytes",
    "$DiskWriteBytes",
    "$DiskReadOps",
    "$DiskWriteOps",
    "$NetworkInBytes",
    "$NetworkOutBytes",
    "$SampleNodeCount",
    "$ActiveTasks",
    "$RunningTasks",
    "$PendingTasks",
    "$SucceededTasks",
    "$FailedTasks",
    "$TaskSlotsPerNode",
    "$CurrentDedicatedNodes",
    "$CurrentLowPriorityNodes",
    "$UsableNodeCount",
    "$PreemptedNodeCount",
)

CONSTANTS: Final[Mapping[str, Value]] = {
    **INTERVALS,
    **{option.value: option.value for option in DeallocationOption},
}
OF_THE_EVALUATOR: Final = frozenset({"rand", "stop", "time"})

#: More nodes of a kind than this no pool has.
MOST_NODES: Final = 1000
