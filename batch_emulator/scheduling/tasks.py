"""The lives of tasks: how they are added, changed, ended, run once more and removed by request.

While a task is on a node, its run is in `runs`; what waits for a node is in the store alone.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.outcome import ended_while_waiting
from batch_emulator.model.subtasks import instances_of
from batch_emulator.scheduling.dispatcher import Dispatcher
from batch_emulator.scheduling.events import Due, Events, TaskDeleted, WaitingTaskEnded
from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs, retention_end
from batch_emulator.store.dependencies import Span
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document, to_json
from batch_emulator.values.states import TaskResult, TaskState
from batch_emulator.values.timestamps import Clock

_NOTHING: Final[Document] = {}


@dataclass(kw_only=True, eq=False)
class TaskLife:
    """Makes tasks do what users ask of them."""

    store: Store
    clock: Clock
    runs: Runs
    dispatcher: Dispatcher
    directories: NodeDirectories
    events: Events

    def add(self, job_no: int, task_id: str, task: Document, now: str) -> bool:
        """Add an active task to the queue of its job; return False if the job has one with that id.

        `task` holds its stored properties, validated and without its id. The caller wakes the pool.
        """
        depends_on = task.get("dependsOn", _NOTHING)
        document, slots, instances = to_json(task), task["requiredSlots"], instances_of(task)
        if not depends_on:
            return self.store.tasks.insert(job_no, task_id, document, slots, now, instances) is not None
        with self.store.transaction():
            number = self.store.tasks.insert(job_no, task_id, document, slots, now, instances)
            if number is not None:
                ranges = [Span(entry["start"], entry["end"]) for entry in depends_on.get("taskIdRanges", ())]
                self.store.dependencies.add(job_no, number, depends_on.get("taskIds", ()), ranges)
        return number is not None

    def constrain(self, task: TaskRow, constraints: Document) -> str:
        """Give a task other constraints and return the time of the change.

        Another retention time takes effect where a completed task still has its files.
        """
        now = self.clock.stamp()
        document = json.dumps({**json.loads(task.document), "constraints": constraints})
        with self.store.transaction():
            self.store.tasks.replace(task.no, document, now)
            self._keep_files(task._replace(document=document))
        return now

    def _keep_files(self, task: TaskRow) -> None:
        if task.files_until is None or task.ended is None:
            return
        until = retention_end(task, task.ended)
        self.store.tasks.keep_files_until(task.no, until)
        if until is not None:
            self.events.announce(Due(time=until))

    async def terminate(self, task: TaskRow, job_id: str) -> None:
        """End a task; when this returns, its processes are gone and its state is completed. Raises TaskCompleted."""
        if task.state == TaskState.COMPLETED:
            raise BatchError(ErrorCode.TASK_COMPLETED)
        if run := self.runs.of_task(task.no):
            await self.runs.end([run], Ending.TERMINATE)
            return
        failure = json.dumps(ended_while_waiting().document())
        self.store.tasks.complete(task.no, time=self.clock.stamp(), exit_code=None, failure=failure, by_user=True)
        self.events.announce(WaitingTaskEnded(job_id=job_id, task=task))

    def reactivate(self, task: TaskRow, job: JobRow) -> str:
        """Put a failed task back into the queue and return the time of the change.

        Raises TaskNotCompleted, or TaskSucceeded (SDK documentation of reactivate_task).
        """
        if task.state != TaskState.COMPLETED:
            raise BatchError(ErrorCode.TASK_NOT_COMPLETED)
        if task.result == TaskResult.SUCCESS:
            raise BatchError(ErrorCode.TASK_SUCCEEDED)
        now = self.clock.stamp()
        self.store.tasks.reactivate(task.no, now)
        self.dispatcher.wake(job.pool_id)
        return now

    async def delete(self, task: TaskRow, job_id: str) -> None:
        """Remove a task; when this returns, its processes and its files are gone."""
        if run := self.runs.of_task(task.no):
            await self.runs.end([run], Ending.DISCARD)
        nodes = [task.node_id, *(each.node_id for each in self.store.subtasks.of_task(task.job_no, task.no))]
        with self.store.transaction():
            self.store.dependencies.forget(task.no)
            self.store.subtasks.forget(task.job_no, task.no)
            self.store.tasks.delete(task.no)
        self.events.announce(TaskDeleted(job_id=job_id))
        for node_id in filter(None, nodes):
            files = self.directories.node(node_id).task(job_id, task.id).detach()
            await asyncio.to_thread(files.remove)
