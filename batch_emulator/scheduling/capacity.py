"""The free task slots of a pool's nodes, and the choice of a node for a task."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from batch_emulator.execution.environment import Place
from batch_emulator.values.states import NodeFillType

#: How many tasks of a node are shown as recent ones.
RECENT_TASKS: Final = 10


@dataclass(kw_only=True, slots=True, eq=False)
class Node:
    """A node that runs tasks: the only mutable thing about it is how full it is."""

    no: int
    place: Place
    slots: int
    used: int = 0
    runs: int = 0
    #: Number and job of the tasks that were put here last, the newest at the end.
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=RECENT_TASKS))

    @property
    def free(self) -> int:
        return self.slots - self.used

    @property
    def affinity_id(self) -> str:
        return f"TVM:{self.place.node_id}"

    def take(self, slots: int) -> None:
        self.used += slots
        self.runs += 1

    def release(self, slots: int) -> None:
        self.used -= slots
        self.runs -= 1


@dataclass(kw_only=True, slots=True, eq=False)
class Pool:
    """The nodes of one pool that are ready for tasks."""

    no: int
    id: str
    slots_per_node: int
    fill: NodeFillType
    #: Whether its nodes may work together on one task.
    inter_node: bool = False
    runs_containers: bool = False
    nodes: list[Node] = field(default_factory=list)

    @property
    def most_instances(self) -> int:
        """How many instances a task may have here, 0 where multi-instance tasks never run.

        They need communication between nodes, and one task a node (documentation: batch-mpi).
        """
        return len(self.nodes) if self.inter_node and self.slots_per_node == 1 else 0

    @property
    def free(self) -> int:
        return sum(node.free for node in self.nodes)

    def choose(self, slots: int, affinity_id: str | None, fits: Callable[[Node], bool] = lambda _: True) -> Node | None:
        """Return the node for a task: the requested one if it has room, else by the pool's policy.

        Spread takes the emptiest node, pack the fullest that still has room; the first of equals.
        """
        fitting = [node for node in self.nodes if node.free >= slots and fits(node)]
        preferred = [node for node in fitting if node.affinity_id == affinity_id]
        sign = 1 if self.fill is NodeFillType.PACK else -1
        return min(preferred or fitting, key=lambda node: sign * node.free, default=None)
