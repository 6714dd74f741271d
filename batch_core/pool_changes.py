"""What differs between a pool as Batch has it and as settings and routes describe it now.

`setup` makes a pool once and never changes it: what is changed afterwards counts only when the pool is made again. The
number of nodes is not compared, which operators and the app itself change.
"""

from collections.abc import Iterator
from typing import Final

from batch_core.config.pools import Pool, settings_pool
from batch_core.config.settings import Settings
from batch_core.services.batch_reading import pool_machine
from batch_core.services.batch_values import PoolMachine
from batch_core.services.provisioning import pool_options

#: The words of routes.toml whose values are shown, with the settings that say the same.
_SETTINGS: Final = {
    "vm_size": "POOL_VM_SIZE",
    "image": "POOL_IMAGE",
    "node_agent": "POOL_NODE_AGENT_SKU",
    "slots_per_node": "POOL_TASK_SLOTS_PER_NODE",
}


def pool_change(pool: Pool, has: PoolMachine, settings: Settings) -> str | None:
    """Return a sentence on what a pool has and what it should have; None if it is as described, or somebody else's.

    It never shows a command line, which may hold secrets.
    """
    wanted = pool_machine(pool_options(pool))
    if pool.is_existing or wanted is None:
        return None
    is_of_settings = pool == settings_pool(settings.pool)
    says = "the settings say" if is_of_settings else f"{settings.routes.file.name} says"
    differences = [
        *_in_values(has, wanted, says="" if is_of_settings else says),
        *_in_containers(has, wanted, says),
        *_in_start_task(has, wanted, says),
    ]
    return (
        f"pool {pool.id} has {'; it has '.join(differences)}: delete the pool to change that" if differences else None
    )


def _in_values(has: PoolMachine, wanted: PoolMachine, *, says: str) -> Iterator[str]:
    old, new = _values(has), _values(wanted)
    for word, setting in _SETTINGS.items():
        # Batch compares all of these without regard to case, and may answer in another one.
        if old[word].lower() != new[word].lower():
            yield f"{word} {old[word]}, {says or f'{setting} says'} {new[word]}"


def _values(machine: PoolMachine) -> dict[str, str]:
    return {
        "vm_size": machine.vm_size,
        "image": machine.image_reference,
        "node_agent": machine.node_agent,
        "slots_per_node": str(machine.slots_per_node),
    }


def _in_containers(has: PoolMachine, wanted: PoolMachine, says: str) -> Iterator[str]:
    if has.runs_containers != wanted.runs_containers:
        yield f"container_images, {says} none" if has.runs_containers else f"no container_images, {says} some"
    elif set(has.container_images) != set(wanted.container_images):
        yield f"other container_images than {says}"


def _in_start_task(has: PoolMachine, wanted: PoolMachine, says: str) -> Iterator[str]:
    if wanted.start_command is None and has.start_command is not None:
        yield f"a start_task, {says} none"
    elif has.start_command is None and wanted.start_command is not None:
        yield f"no start_task, {says} one"
    elif has.start_command != wanted.start_command:
        yield f"another start_task than {says}"
