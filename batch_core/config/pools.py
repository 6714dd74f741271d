"""Pools that tasks run on: what `setup` makes of them, and how many nodes they are to have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from batch_core.config.settings import PoolSettings


class Fill(StrEnum):
    """How tasks are spread over nodes: https://learn.microsoft.com/azure/batch/batch-parallel-node-tasks."""

    #: Over as many nodes as there are.
    SPREAD = "spread"
    #: One node is filled before the next.
    PACK = "pack"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Bounds within which the app itself sets the number of nodes; `spot` is the share of Spot nodes, 0 to 1."""

    min: int
    max: int
    spot: float = 0.0

    def split(self, nodes: int) -> tuple[int, int]:
        """Return how many of so many nodes are dedicated, and how many Spot."""
        spot = round(nodes * self.spot)
        return nodes - spot, spot


@dataclass(frozen=True, kw_only=True)
class StartTask:
    """What runs on each node before any task does."""

    command_line: str
    is_elevated: bool


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool: fixed (`nodes`), scaled by the app (`scale`) or by Batch (`formula`), whichever is set."""

    id: str
    #: Somebody else makes, changes and removes it.
    is_existing: bool = False
    vm_size: str
    #: publisher:offer:sku:version, or a resource id.
    image: str
    node_agent_sku: str
    slots_per_node: int
    nodes: int
    fill: Fill = Fill.SPREAD
    scale: Scale | None = None
    formula: str | None = None
    start_task: StartTask | None = None
    #: Application packages: `id`, or `id:version`.
    packages: tuple[str, ...] = ()
    subnet_id: str | None = None
    talks_between_nodes: bool = field(default=False)
    #: Images that are pulled before any task needs them; None: its tasks run in no containers.
    container_images: tuple[str, ...] | None = None
    #: Other properties of the pool, as Batch names them.
    verbatim: Mapping[str, Any] = field(default_factory=dict, repr=False)


def settings_pool(settings: PoolSettings) -> Pool:
    """Return the pool that the settings describe."""
    return Pool(
        id=settings.id,
        vm_size=settings.vm_size,
        image=settings.image,
        node_agent_sku=settings.node_agent_sku,
        slots_per_node=settings.task_slots_per_node,
        nodes=settings.node_count,
        is_existing=settings.is_existing,
        scale=(
            Scale(min=settings.min_nodes, max=settings.max_nodes, spot=settings.spot_percent / 100)
            if settings.max_nodes
            else None
        ),
    )


#: A marketplace image with a container runtime
#: (https://learn.microsoft.com/azure/batch/batch-docker-container-workloads).
CONTAINER_IMAGE: Final = "microsoft-dsvm:ubuntu-hpc:2404:latest"
#: More nodes than this the app asks for in no pool: a slip of the keyboard is expensive.
MOST_NODES: Final = 1000
#: Task slots of a node: https://learn.microsoft.com/azure/batch/batch-parallel-node-tasks.
MAX_SLOTS: Final = 256
