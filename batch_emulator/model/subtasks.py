"""Multi-instance tasks: their settings, and their subtasks on the wire."""

import json
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.resource_files import resource_files
from batch_emulator.model.schema import filled_text, integer, property_names, record
from batch_emulator.store.subtasks import SubtaskRow
from batch_emulator.values.documents import Document

#: What `$select` may name (SDK model BatchSubtask).
SUBTASK_PROPERTIES: Final = property_names(
    "id nodeInfo startTime endTime exitCode containerInfo failureInfo state stateTransitionTime previousState "
    "previousStateTransitionTime result"
)

_settings: Final = record(
    {
        "numberOfInstances": integer(1, 1000),
        "coordinationCommandLine": filled_text,
        "commonResourceFiles": resource_files,
    },
    frozenset({"coordinationCommandLine"}),
)


def multi_instance_settings(name: str, value: object) -> Document:
    """Read the settings of a multi-instance task; one instance is the default."""
    return {"numberOfInstances": 1, **_settings(name, value)}


def check_slots(task: Document) -> None:
    """Refuse slots: "For multi-instance Tasks, this property is not supported" (SDK documentation)."""
    if "multiInstanceSettings" in task and task.get("requiredSlots", 1) != 1:
        raise invalid_property("requiredSlots", task["requiredSlots"], "A multi-instance task takes whole nodes")


def instances_of(task: Document) -> int:
    """Return how many nodes a task takes for itself, 0 for one that shares its node."""
    return int(task.get("multiInstanceSettings", {}).get("numberOfInstances", 0))


def subtask_on_wire(row: SubtaskRow, node_info: Document) -> Document:
    return {"id": row.id, "nodeInfo": node_info, **json.loads(row.info)}
