"""Since when tasks wait; and why those that Batch has accepted do not run: the state of their job or their pool.

The sentences hold no figures that change from tick to tick, so that a record is written again only when the reason
changes.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from batch_core.app import App
from batch_core.config.pools import Pool, Scale
from batch_core.errors import Missing, RoutesError, ServiceError
from batch_core.pool_trouble import missing_pool, pool_trouble
from batch_core.services.batch_values import LiveTask, NodeCounts, PoolStatus
from batch_core.state.index import OpenTask

logger = logging.getLogger(__name__)

#: What Batch's words for a task that has its node mean.
AT_WORK: Final = {"running": "it is running", "preparing": "it has a node, which is getting its input"}

#: Tasks that were put back into their queue, and that Batch is asked about in a tick: since when they wait.
_MOST_ASKED: Final = 20


class Waits:
    """Since when open tasks wait, of which that is known; made for one tick.

    A task waits if its record is queued, or if Batch lists it as live and it has no node: since it was recorded, or
    put back into its queue. One that Batch does not list may have completed, and what a person has cancelled is not
    waited for.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked = 0
        self._put_back: dict[tuple[str, int], datetime] = {}
        #: Of the task that waits for longest; 0: none does.
        self.oldest_seconds = 0

    async def note(self, tasks: Sequence[OpenTask], states: Mapping[str, LiveTask | None]) -> None:
        """Note what the index and Batch's lists say of tasks. Raises nothing.

        One call for each that was put back, once.
        """
        for task in sorted(tasks, key=lambda task: task.since):
            live = states.get(task.task_id)
            if task.cancel_requested:
                continue
            if live is None:
                if task.is_queued:
                    self.note_queued(task)
            elif requeues := max(live.requeues, task.requeues):
                await self._note_put_back(task, live, requeues)
            elif live.state not in AT_WORK:
                self.note_queued(task)

    def note_queued(self, task: OpenTask) -> None:
        """Note that a task has been waiting since it was recorded."""
        self._note(task.since)

    def remember(self, *, is_complete: bool) -> None:
        """Remember what Batch was asked for; a tick that has seen every open task forgets the others."""
        noted = self._app.noted
        noted.put_back = self._put_back if is_complete else noted.put_back | self._put_back

    async def _note_put_back(self, task: OpenTask, live: LiveTask, requeues: int) -> None:
        key = (task.task_id, requeues)
        if live.state in AT_WORK:
            # If it comes back once more, Batch need not count that (`requeues_of`): it is asked again.
            self._app.noted.put_back.pop(key, None)
            return
        since = self._app.noted.put_back.get(key) or await self._ask(task)
        if since is not None:
            self._put_back[key] = since
            self._note(since)

    async def _ask(self, task: OpenTask) -> datetime | None:
        if self._asked >= _MOST_ASKED:
            return None
        self._asked += 1
        try:
            return await self._app.batch.completion_of(task.job_id, task.task_id)
        except ServiceError as exc:
            logger.info("Since when task %s waits is not known: %s", task.task_id, exc)
            return None

    def _note(self, since: datetime) -> None:
        self.oldest_seconds = max(self.oldest_seconds, int((self._app.now() - since).total_seconds()))


def with_requeues(reason: str, requeues: int) -> str:
    """Return the reason with how often Batch put the task back into its queue, if it did."""
    if not requeues:
        return reason
    times = "once" if requeues == 1 else f"{requeues} times"
    return f"{reason}; Batch has put it back into its queue {times}, as it does when a node is preempted or removed"


async def why_waiting(app: App, job_id: str) -> str:
    """Ask for the job, the pool and its nodes (three calls), and return the likeliest reason. Raises nothing."""
    pool_id = app.settings.pool.id
    try:
        status = await app.batch.job_status(job_id)
        if status is not None and status.is_disabled:
            return f"it waits because its job is disabled: enable {job_id}"
        pool_id = status.pool_id if status is not None and status.pool_id else pool_id
        pool = await app.batch.pool_status(pool_id)
        counts = await app.batch.node_counts(pool_id)
    except Missing:
        return f"it waits for a pool; {missing_pool(pool_id, _pool_of(app, pool_id))}"
    except ServiceError as exc:
        return f"it waits for a node; why is not known: {exc}"
    described = _pool_of(app, pool_id)
    scale = described.scale if described else None
    trouble = pool_trouble(pool, counts, is_scaled=scale is not None)
    return f"it waits for a node of pool {pool_id!r}: {trouble or _what_for(pool, counts, scale)}"


def _pool_of(app: App, pool_id: str) -> Pool | None:
    """Return what settings and routes say of a pool, if they do."""
    try:
        pools = app.routes().pools
    except RoutesError:
        return None
    return next((pool for pool in pools if pool.id.lower() == pool_id.lower()), None)


def _what_for(pool: PoolStatus, counts: NodeCounts, scale: Scale | None) -> str:
    if counts.able and counts.idle == counts.able and pool.is_steady:
        return f"its nodes are idle: it is about to start, or takes more slots than a node has ({pool.slots_per_node})"
    if counts.able and scale is not None and pool.target >= scale.max:
        return f"every task slot is taken, and it has {scale.max} nodes, which is its ceiling"
    if counts.able:
        return "every task slot is taken"
    if not counts.total and scale is not None and pool.is_steady:
        return "it has no nodes, and is about to ask for some"
    if counts.starting or not pool.is_steady:
        return "its nodes are starting"
    return "none of its nodes takes tasks"
