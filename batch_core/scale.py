"""Pools follow the work: up at once, down by removing exactly those nodes that nothing is on any more.

    more slots needed than there are   the pool is resized, within its bounds
    fewer                              idle nodes are noted and closed to tasks; a later tick looks at them again, and
                                       removes those that are still idle and whose results are all collected; broken
                                       and preempted ones, which run nothing, go first

The app knows what no autoscale formula knows: which results are still on a node. What is not known removes nothing, and
no pool is touched that is being resized, scales itself or has jobs of somebody else.

Cost of a tick: one list of the account's jobs and one of our own; for each scaled pool one look, one entity, and one
count for each of its jobs; where it has nodes to spare, one list of its nodes and, for each job with open tasks, two of
these.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Final

from batch_core.app import App
from batch_core.backoff import backoff
from batch_core.collect import OVERLAP
from batch_core.config.pools import Pool, Scale
from batch_core.errors import Missing, RoutesError, ServiceError
from batch_core.services.batch_values import Node, PoolStatus
from batch_core.services.pool_nodes import MAX_NODES_PER_REMOVAL
from batch_core.state.index import OpenTask
from batch_core.state.job_registry import JobEntry
from batch_core.state.scaling import ScalingState

logger = logging.getLogger(__name__)

#: A node that has been idle for less may have a result that no list of completed tasks shows yet. Closing it to tasks
#: counts as a change of its state: so it is idle for twice as long before it goes.
IDLE_FOR: Final = OVERLAP
#: Open tasks that Batch lists neither as live nor as completed are asked for one by one; of more nothing is known.
_MOST_DOUBTS: Final = 20
#: An instance that has claimed the decision on noted nodes for longer has ended before it was done.
_CLAIM: Final = timedelta(minutes=5)


@dataclass(kw_only=True)
class ScaleReport:
    """What a tick did: pools looked at, nodes asked for, closed to tasks, opened again and removed."""

    pools: int = 0
    asked_for: int = 0
    closed: int = 0
    opened: int = 0
    removed: int = 0
    is_complete: bool = True


async def scale(app: App) -> ScaleReport:
    """Bring each scaled pool nearer to what its tasks need; idempotent, reentrant and crash-safe."""
    report = ScaleReport()
    try:
        scaled = [(pool, pool.scale) for pool in app.routes().pools if pool.scale]
        if not scaled:
            return report
        # In this order: a job of ours is registered before it is created.
        active = await app.batch.active_jobs()
        jobs = await app.jobs.registered(active)
    except (RoutesError, ServiceError) as exc:
        logger.warning("No pool is scaled: %s", exc)
        report.is_complete = False
        return report
    for pool, bounds in scaled:
        report.pools += 1
        own = [job for job in jobs if _pool_of(app, job).lower() == pool.id.lower() and not job.terminated_at]
        on_pool = {job.job_id for job in active if job.pool_id.lower() == pool.id.lower()}
        tick = _Tick(app, pool, bounds, own, report)
        try:
            await tick.scale(others=on_pool - {job.job_id for job in jobs})
        except Missing as exc:
            logger.info("Pool %s is not scaled: %s", pool.id, exc)
        except ServiceError as exc:
            logger.warning("Pool %s is not scaled: %s", pool.id, exc)
            report.is_complete = False
    return report


def _pool_of(app: App, job: JobEntry) -> str:
    return job.pool_id or app.settings.pool.id


class _Tick:
    """One look at one pool."""

    def __init__(self, app: App, pool: Pool, bounds: Scale, jobs: Sequence[JobEntry], report: ScaleReport) -> None:
        self._app = app
        self._pool = pool
        self._bounds = bounds
        self._jobs = jobs
        self._report = report

    async def scale(self, others: set[str]) -> None:
        """Change the pool, if it may be changed now; `others` are active jobs on it that are not ours."""
        status = await self._app.batch.pool_status(self._pool.id)
        if others:
            logger.warning("Pool %s is not scaled: job %s on it is not of this app.", self._pool.id, min(others))
            return
        if status.scales_itself:
            logger.warning("Pool %s is not scaled: it has an autoscale formula of its own.", self._pool.id)
            return
        if not status.is_active or not status.is_steady:
            return
        state = await self._app.scaling.load(self._pool.id)
        wanted = await self._wanted(status)
        if wanted > _reached(status) - len(state.closing):
            await self._grow(status, state, wanted)
        elif state.closing:
            await self._look_again(state)
        elif wanted < status.target:
            await self._close_idle(status, state, wanted)

    async def _wanted(self, status: PoolStatus) -> int:
        """Return how many nodes the open tasks need, within the pool's bounds."""
        slots = 0
        for job in self._jobs:
            try:
                slots += await self._app.nodes.needed_slots(job.job_id)
            except Missing:
                # It is created with its first task.
                continue
        nodes = ceil(slots / status.slots_per_node)
        if nodes > self._bounds.max:
            logger.info("Pool %s needs %d nodes; its ceiling is %d.", self._pool.id, nodes, self._bounds.max)
        return min(max(nodes, self._bounds.min), self._bounds.max)

    async def _grow(self, status: PoolStatus, state: ScalingState, wanted: int) -> None:
        """Open the nodes that were to go, and ask for those that are missing, unless that has failed lately."""
        now = self._app.now()
        if state.closing:
            claimed = await self._claimed(state)
            if claimed is None:
                return
            nodes = await self._app.nodes.nodes(self._pool.id)
            opened = await self._open([node for node in nodes if node.id in state.closing], claimed)
            if opened is None:
                return
            state = opened
        if wanted <= _reached(status):
            return
        if status.errors:
            if state.next_growth_at is not None and state.next_growth_at > now:
                return
            failures = state.failures + 1
            state = replace(state, failures=failures, next_growth_at=now + backoff(failures, None))
        elif state.failures:
            state = replace(state, failures=0, next_growth_at=None)
        if await self._app.scaling.save(state) is None:
            return
        dedicated, spot = self._bounds.split(wanted)
        # Growing never takes nodes of either kind away: results may be on them.
        dedicated, spot = max(dedicated, status.target - status.spot_target), max(spot, status.spot_target)
        logger.info("Pool %s is to have %d nodes, %d of them Spot.", self._pool.id, dedicated + spot, spot)
        await self._app.nodes.resize(self._pool.id, dedicated=dedicated, spot=spot)
        self._report.asked_for += dedicated + spot - _reached(status)

    async def _close_idle(self, status: PoolStatus, state: ScalingState, wanted: int) -> None:
        """Note idle nodes that are to go and close them to tasks; they go when a later tick finds them as they were."""
        nodes = await self._app.nodes.nodes(self._pool.id)
        idle = [node for node in nodes if self._may_go(node) and (node.is_open or node.is_broken)]
        dedicated, spot = self._bounds.split(wanted)
        surplus = {
            True: max(status.target - status.spot_target - dedicated, 0),
            False: max(status.spot_target - spot, 0),
        }
        chosen = [node for kind in surplus for node in _first_to_go(idle, kind)[: surplus[kind]]]
        chosen = chosen[: min(status.target - wanted, MAX_NODES_PER_REMOVAL)]
        if not chosen or (holding := await self._holding()) is None:
            return
        going = [node for node in chosen if node.id not in holding]
        if not going:
            return
        if await self._app.scaling.save(replace(state, closing=tuple(node.id for node in going))) is None:
            return
        await self._close(going)

    async def _close(self, nodes: Sequence[Node]) -> bool:
        """Close those of the nodes to tasks that could have some; returns whether there were any."""
        open_nodes = [node for node in nodes if node.is_open and not node.is_broken]
        for node in open_nodes:
            await self._app.nodes.close(self._pool.id, node.id)
            self._report.closed += 1
        return bool(open_nodes)

    async def _look_again(self, state: ScalingState) -> None:
        """Remove the noted nodes that are idle still and hold no result; open the others again."""
        found = {node.id: node for node in await self._app.nodes.nodes(self._pool.id)}
        noted = [found[node_id] for node_id in state.closing if node_id in found]
        # The tick that noted them stopped before it closed them all, or a broken one has been mended.
        if await self._close(noted):
            return
        if any((node.is_idle or node.is_broken) and not self._may_go(node) for node in noted):
            return
        holding = await self._holding()
        if holding is None or (claimed := await self._claimed(state)) is None:
            return
        going = [node.id for node in noted if (node.is_idle or node.is_broken) and node.id not in holding]
        staying = [node for node in noted if node.id not in going]
        if going:
            await self._app.nodes.remove(self._pool.id, going)
            self._report.removed += len(going)
            logger.info("Pool %s: %d idle nodes are removed.", self._pool.id, len(going))
        await self._open(staying, claimed)

    async def _claimed(self, state: ScalingState) -> ScalingState | None:
        """Note that this instance decides on the noted nodes; None if another one is at it.

        The note of the nodes stays until that is done: one that is forgotten closed would never take tasks again.
        """
        now = self._app.now()
        if state.claimed_at is not None and state.claimed_at > now - _CLAIM:
            return None
        return await self._app.scaling.save(replace(state, claimed_at=now))

    def _may_go(self, node: Node) -> bool:
        # A clock that is ahead of Batch's would make a node idle for long that has just become so.
        ahead = max(self._app.clients.batch_clock.ahead(self._app.now()) or timedelta(0), timedelta(0))
        return (node.is_idle or node.is_broken) and node.since <= self._app.now() - ahead - IDLE_FOR

    async def _open(self, nodes: Sequence[Node], claimed: ScalingState) -> ScalingState | None:
        """Open noted nodes to tasks and forget them, but for broken ones, which cannot be opened now."""
        for node in nodes:
            if not node.is_broken:
                self._report.opened += await self._app.nodes.open(self._pool.id, node.id)
        broken = tuple(node.id for node in nodes if node.is_broken)
        return await self._app.scaling.save(replace(claimed, closing=broken, claimed_at=None))

    async def _holding(self) -> set[str] | None:
        """Return the nodes with results of ours that are not collected; None if that is not known for all of them."""
        open_tasks = await self._open_tasks()
        doubts: list[OpenTask] = []
        holding: set[str] = set()
        for job in self._jobs:
            of_job = {task.task_id: task for task in open_tasks if task.job_id == job.job_id}
            if not of_job:
                continue
            try:
                live = await self._app.batch.live_tasks(job.job_id)
                pages = [page async for page in self._app.batch.completed_tasks(job.job_id, job.watermark)]
            except Missing:
                continue
            if any(page.unreadable for page in pages):
                return None
            completed = [task for page in pages for task in page.tasks]
            nodes = {task.task_id: task.node_id for task in completed if task.task_id in of_job}
            holding |= {node_id for node_id in nodes.values() if node_id}
            doubts += [task for task_id, task in of_job.items() if task_id not in live and task_id not in nodes]
        if len(doubts) > _MOST_DOUBTS:
            return None
        for task in doubts:
            # Completed before the watermark: the reconciling tick has it collected. Its node is not known here.
            if await self._app.batch.has_task(task.job_id, task.task_id):
                return None
        return holding

    async def _open_tasks(self) -> list[OpenTask]:
        return [
            task
            for day in await self._app.table.days()
            async for page in self._app.table.open_work(day)
            for task in page
        ]


def _reached(status: PoolStatus) -> int:
    """Return how many nodes a pool has or is about to get: where that failed, what it is to have is no measure."""
    return min(status.nodes, status.target) if status.errors else status.target


def _first_to_go(nodes: Sequence[Node], is_dedicated: bool) -> list[Node]:
    """Return the nodes of a kind: broken ones first, then those that have been idle for longest."""
    of_kind = (node for node in nodes if node.is_dedicated is is_dedicated)
    return sorted(of_kind, key=lambda node: (not node.is_broken, node.since))
