"""What a task claims of a node."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from batch_emulator.model.subtasks import instances_of
from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The slots of a node that a task takes, and which nodes it may run on."""

    slots: int
    affinity_id: str | None = None
    only_dedicated: bool = False
    #: How many whole nodes a multi-instance task takes, 0 for any other.
    instances: int = 0

    @classmethod
    def of(cls, task: TaskRow, job: Document, slots_per_node: int) -> Self:
        """Return the claim of a task of a job with these properties.

        A job manager task may have a node to itself, and shun spot nodes (SDK documentation of
        BatchJobManagerTask).
        """
        document = json.loads(task.document)
        affinity_id = document.get("affinityInfo", {}).get("affinityId")
        if not is_manager(task, job):
            return cls(slots=task.required_slots, affinity_id=affinity_id, instances=instances_of(document))
        manager = job["jobManagerTask"]
        return cls(
            slots=slots_per_node if manager["runExclusive"] else task.required_slots,
            only_dedicated=not manager["allowLowPriorityNode"],
        )

    def choose(self, pool: Pool, suits: Callable[[Node], bool]) -> tuple[Node, ...]:
        """Return the nodes that a task gets, the one of its command first; none where there are not enough."""
        if not self.instances:
            node = self._choose_one(pool, suits)
            return () if node is None else (node,)
        free = [node for node in pool.nodes if not node.used and suits(node)]
        free.sort(key=lambda node: node.affinity_id != self.affinity_id)
        return tuple(free[: self.instances]) if len(free) >= self.instances else ()

    def _choose_one(self, pool: Pool, suits: Callable[[Node], bool]) -> Node | None:
        """Return the pool's choice among the nodes that suit; `suits` is asked about as few as possible."""
        refused: set[int] = set()

        def fits(node: Node) -> bool:
            return node.no not in refused and (node.place.is_dedicated or not self.only_dedicated)

        while node := pool.choose(self.slots, self.affinity_id, fits):
            if suits(node):
                return node
            refused.add(node.no)
        return None


def is_manager(task: TaskRow, job: Document) -> bool:
    """Return whether a task is the job manager task of its job."""
    manager = job.get("jobManagerTask")
    return manager is not None and bool(manager["id"].lower() == task.id.lower())


def ends_job(task: TaskRow, job: Document) -> bool:
    """Return whether the completion of a task is that of its job."""
    return is_manager(task, job) and bool(job["jobManagerTask"]["killJobOnCompletion"])
