"""A task that is on a node now: the only tasks that exist as objects."""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from batch_emulator.execution.outcome import Outcome
from batch_emulator.model.jobs import TASK_FAILED
from batch_emulator.scheduling.capacity import Node
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import JobAction


class Ending(Enum):
    """Why a run is ended before its command has ended."""

    #: The task completes, as ended by the user.
    TERMINATE = auto()
    #: The task goes back to the queue: its node is going away.
    REQUEUE = auto()
    #: The task goes back to the queue: its node could not be prepared for the job.
    UNPREPARED = auto()
    #: Nothing is recorded: the task is being deleted, or the emulator stops.
    DISCARD = auto()


@dataclass(kw_only=True, slots=True, eq=False)
class Run:
    """A task on a node, now; a multi-instance task on several, of which the first is the master."""

    task: TaskRow
    job: JobRow
    #: The job's properties; those that runs need cannot be changed.
    job_document: Document
    nodes: tuple[Node, ...]
    slots: int
    is_multi_instance: bool = False
    is_started: bool = False
    worker: asyncio.Task[Outcome] | None = None
    ending: Ending | None = None
    #: What the end of the task asks of the job, and why.
    job_action: JobAction = JobAction.NONE
    job_reason: str = TASK_FAILED

    @property
    def node(self) -> Node:
        return self.nodes[0]
