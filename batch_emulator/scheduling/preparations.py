"""Job preparation tasks: once on each node, before the first task of the job there.

https://learn.microsoft.com/azure/batch/batch-job-prep-release and the SDK's documentation of
BatchJobPreparationTask.
"""

import asyncio
import json
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.capacity import Node
from batch_emulator.scheduling.lifecycle_tasks import LifecycleTasks
from batch_emulator.scheduling.run import Ending, Run
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import LifecycleTaskState, TaskResult


class Readiness(Enum):
    """Whether a node is prepared for a job."""

    READY = auto()
    #: The preparation task has to run, or runs.
    NOT_YET = auto()
    #: The preparation task failed: no task of the job runs here.
    NEVER = auto()


@dataclass(kw_only=True, eq=False)
class Preparation:
    """A preparation task that is running, and the number of tasks that wait for it."""

    work: asyncio.Task[None]
    waiting: int = 0


@dataclass(kw_only=True, eq=False)
class Preparations:
    """Prepares nodes for jobs."""

    store: Store
    lifecycle: LifecycleTasks
    background: Background
    _running: dict[tuple[int, int], Preparation] = field(default_factory=dict)

    def readiness(self, job: JobRow, document: Document, node: Node) -> Readiness:
        """Return whether a task of a job may start on a node; without a preparation task it always may."""
        task = document.get("jobPreparationTask")
        if task is None:
            return Readiness.READY
        if (job.no, node.no) in self._running:
            return Readiness.NOT_YET
        info = self._valid_info(job, task, node)
        if info is None or info["state"] == LifecycleTaskState.RUNNING:
            return Readiness.NOT_YET
        if task["waitForSuccess"] and info["result"] == TaskResult.FAILURE:
            return Readiness.NEVER
        return Readiness.READY

    def is_ready(self, job: JobRow, document: Document, node: Node) -> bool:
        return self.readiness(job, document, node) is Readiness.READY

    def _valid_info(self, job: JobRow, task: Document, node: Node) -> Document | None:
        """Return how a preparation went, None if it has to run again since the node rebooted or was reimaged."""
        row = self.store.job_nodes.get(job.no, node.place.node_id)
        booted = self.store.nodes.by_number(node.no)
        if row is None or booted is None:
            return None
        info: Document = json.loads(row.preparation)
        if info["startTime"] > booted.boot_time:
            return info
        kept = info.get("result") == TaskResult.SUCCESS and not task["rerunOnNodeRebootAfterSuccess"]
        exists = node.place.directory.task(job.id, task["id"]).root.exists()
        return info if kept and exists else None

    async def ready(self, run: Run) -> bool:
        """Prepare the nodes of a run if that is to be done; return False if its task cannot run there."""
        document = run.job_document
        due = [node for node in run.nodes if not self.is_ready(run.job, document, node)]
        preparations = [self._begin(run, node) for node in due]
        if not due or not document["jobPreparationTask"]["waitForSuccess"]:
            return True
        for preparation in preparations:
            await self._wait(run, preparation)
        return all(self.is_ready(run.job, document, node) for node in run.nodes)

    def _begin(self, run: Run, node: Node) -> Preparation:
        key = (run.job.no, node.no)
        if key not in self._running:
            work = self.background.start(self._prepare(run, node), f"prepare {node.place.node_id} for {run.job.id}")
            self._running[key] = Preparation(work=work)
            work.add_done_callback(lambda _: self._running.pop(key, None))
        return self._running[key]

    async def _wait(self, run: Run, preparation: Preparation) -> None:
        """Wait for a preparation; one that the node's last waiter takes down with it did not happen."""
        preparation.waiting += 1
        try:
            await asyncio.shield(preparation.work)
        except asyncio.CancelledError:
            if run.ending is Ending.REQUEUE and preparation.waiting == 1:
                await _cancel(preparation)
            raise
        finally:
            preparation.waiting -= 1

    async def _prepare(self, run: Run, node: Node) -> None:
        try:
            await self.lifecycle.prepare(run.job, run.job_document, node.place, partial(self._record, run, node))
        except asyncio.CancelledError:
            self.store.job_nodes.forget(run.job.no, node.place.node_id)
            raise

    def _record(self, run: Run, node: Node, info: Document) -> None:
        place = node.place
        self.store.job_nodes.note_preparation(run.job.no, place.node_id, place.pool_id, json.dumps(info))

    async def end(self, job_no: int) -> None:
        """End the preparation tasks of a job that are running."""
        ending = [preparation for key, preparation in self._running.items() if key[0] == job_no]
        for preparation in ending:
            await _cancel(preparation)


async def _cancel(preparation: Preparation) -> None:
    preparation.work.cancel()
    await asyncio.gather(preparation.work, return_exceptions=True)
