"""Decides which waiting task goes to which free node, when something has changed."""

import asyncio
import json
import logging
from dataclasses import dataclass, field

from batch_emulator.scheduling.capacity import Node, Pool
from batch_emulator.scheduling.claims import Claim
from batch_emulator.scheduling.preparations import Preparations, Readiness
from batch_emulator.scheduling.run import Run
from batch_emulator.scheduling.runs import Runs
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Dispatcher:
    """Fills the free slots of pools: jobs by priority, their tasks in order of adding.

    It never looks at more waiting tasks than there are free slots. A task that has to wait for more
    slots than are free holds back the later ones of its job, so that small tasks cannot starve it.
    """

    store: Store
    runs: Runs
    preparations: Preparations
    _pools: dict[str, Pool] = field(default_factory=dict)
    _woken: set[str] = field(default_factory=set)

    def add_pool(self, pool: Pool) -> None:
        self._pools[pool.id.lower()] = pool

    def remove_pool(self, pool_id: str) -> Pool | None:
        return self._pools.pop(pool_id.lower(), None)

    def close(self) -> None:
        """Start nothing any more."""
        self._pools.clear()

    def wake(self, pool_id: str) -> None:
        """Look at a pool soon, once for all changes of this moment."""
        key = pool_id.lower()
        if key in self._pools and key not in self._woken:
            self._woken.add(key)
            asyncio.get_running_loop().call_soon(self._dispatch, key)

    def _dispatch(self, key: str) -> None:
        self._woken.discard(key)
        pool = self._pools.get(key)
        if pool is None or not pool.free:
            return
        with self.store.transaction():
            assigned = self._assign(pool)
        for run in assigned:
            self.runs.launch(run)

    def _assign(self, pool: Pool) -> list[Run]:
        assigned: list[Run] = []
        for job in self.store.jobs.waiting(pool.id):
            limit = min(pool.free, self._allowance(job))
            if limit > 0:
                assigned += self._assign_job(pool, job, limit)
            if not pool.free:
                break
        return assigned

    def _allowance(self, job: JobRow) -> int:
        """Return how many more tasks the job's maxParallelTasks lets run."""
        if job.max_parallel < 0:
            return 2**31
        return job.max_parallel - len(self.runs.of_job(job.no))

    def _assign_job(self, pool: Pool, job: JobRow, limit: int) -> list[Run]:
        assigned: list[Run] = []
        document = json.loads(job.document)
        # One more than can start: a job manager that finds no node holds up nobody.
        for task in self.store.tasks.waiting(job.no, pool.slots_per_node, limit + 1, pool.most_instances):
            if len(assigned) == limit:
                break
            claim = Claim.of(task, document, pool.slots_per_node)
            nodes = claim.choose(pool, lambda node: self._suits(job, document, node))
            if nodes:
                assigned.append(self._assign_task(task, job, document, claim, nodes))
            elif not claim.only_dedicated:
                break
        return assigned

    def _suits(self, job: JobRow, document: Document, node: Node) -> bool:
        return self.preparations.readiness(job, document, node) is not Readiness.NEVER

    def _assign_task(
        self, task: TaskRow, job: JobRow, document: Document, claim: Claim, nodes: tuple[Node, ...]
    ) -> Run:
        run = Run(
            task=task,
            job=job,
            job_document=document,
            nodes=nodes,
            slots=claim.slots,
            is_multi_instance=claim.instances > 0,
        )
        self.runs.assign(run, prepared=self._is_prepared(run))
        return run

    def _is_prepared(self, run: Run) -> bool:
        """Return whether a run need not wait for a preparation task."""
        preparation = run.job_document.get("jobPreparationTask")
        if preparation is None or not preparation["waitForSuccess"]:
            return True
        return all(self.preparations.is_ready(run.job, run.job_document, node) for node in run.nodes)
