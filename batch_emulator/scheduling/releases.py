"""Job release tasks: at the end of a job, on each node where it was prepared.

https://learn.microsoft.com/azure/batch/batch-job-prep-release and the SDK's documentation of
BatchJobReleaseTask.
"""

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.execution.environment import Place
from batch_emulator.model.container_settings import runs_containers
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.lifecycle_tasks import LifecycleTasks
from batch_emulator.store.job_nodes import JobNodeRow
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import LifecycleTaskState, NodeState

#: Nodes in these states run nothing.
_AWAY: Final = frozenset(
    {
        *(NodeState.UNUSABLE, NodeState.UNKNOWN, NodeState.PREEMPTED, NodeState.CREATING),
        *(NodeState.DEALLOCATING, NodeState.DEALLOCATED, NodeState.LEAVING_POOL),
    }
)


@dataclass(kw_only=True, eq=False)
class Releases:
    """Runs the release task of a job on every node that ran its preparation task to the end."""

    store: Store
    lifecycle: LifecycleTasks
    directories: NodeDirectories
    background: Background
    _running: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def begin(self, row: JobRow) -> asyncio.Task[None]:
        """Run what is still due of a job's release tasks, or go on running it."""
        if row.no not in self._running:
            work = self._running[row.no] = self.background.start(self._run(row), f"release job {row.id}")
            work.add_done_callback(lambda _: self._running.pop(row.no, None))
        return self._running[row.no]

    def due(self, row: JobRow) -> int:
        """Return on how many nodes a release task that was begun has not ended."""
        if row.no not in self._running or "jobReleaseTask" not in json.loads(row.document):
            return 0
        return sum(map(_is_due, self.store.job_nodes.of_job(row.no)))

    async def _run(self, row: JobRow) -> None:
        """Return when the release task has ended on every node; nodes that are gone are passed over."""
        job = json.loads(row.document)
        if "jobReleaseTask" not in job:
            return
        async with asyncio.TaskGroup() as group:
            for node in self.store.job_nodes.of_job(row.no):
                place = self._place(node, row, job)
                if place is not None and _is_due(node):
                    group.create_task(self.lifecycle.release(row, job, place, partial(self._record, node)))

    def _place(self, node: JobNodeRow, row: JobRow, job: Document) -> Place | None:
        """Return the node if it is still there and still prepared: reimaging takes the directory away."""
        pool = self.store.pools.get(node.pool_id)
        if pool is None:
            return None
        found = self.store.nodes.get(pool.no, node.id)
        directory = self.directories.node(node.id)
        prepared = directory.task(row.id, job["jobPreparationTask"]["id"]).root.exists()
        if found is None or found.state in _AWAY or not prepared:
            return None
        return Place(
            pool_id=node.pool_id,
            node_id=node.id,
            is_dedicated=bool(found.dedicated),
            directory=directory,
            runs_containers=runs_containers(json.loads(pool.document)),
        )

    def _record(self, node: JobNodeRow, info: Document) -> None:
        # Release tasks have no retries, hence no count of them (SDK model BatchJobReleaseTaskExecutionInfo).
        shown = {name: value for name, value in info.items() if name != "retryCount"}
        self.store.job_nodes.note_release(node.job_no, node.id, json.dumps(shown))


def _is_due(node: JobNodeRow) -> bool:
    """Return whether the preparation task completed and the release task has not yet, as after a restart."""
    released = json.loads(node.release)["state"] if node.release else None
    prepared = json.loads(node.preparation)["state"] == LifecycleTaskState.COMPLETED
    return prepared and released != LifecycleTaskState.COMPLETED
