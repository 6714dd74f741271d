"""Adds a task to the queue of its job."""

from typing import Final

from batch_emulator.model.subtasks import instances_of
from batch_emulator.store.dependencies import Span
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document, to_json

_NOTHING: Final[Document] = {}


def add_task(store: Store, job_no: int, task_id: str, task: Document, now: str) -> bool:
    """Add an active task with these stored properties; tell False where the job has one of that id."""
    depends_on = task.get("dependsOn", _NOTHING)
    document, slots, instances = to_json(task), task["requiredSlots"], instances_of(task)
    if not depends_on:
        return store.tasks.insert(job_no, task_id, document, slots, now, instances) is not None
    with store.transaction():
        number = store.tasks.insert(job_no, task_id, document, slots, now, instances)
        if number is not None:
            ranges = [Span(entry["start"], entry["end"]) for entry in depends_on.get("taskIdRanges", ())]
            store.dependencies.add(job_no, number, depends_on.get("taskIds", ()), ranges)
    return number is not None
