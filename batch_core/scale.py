"""Pools follow the work: up at once, down by removing exactly those nodes that nothing is on any more.

    more nodes needed than there are   the pool is resized, within its bounds
    fewer                              idle nodes are noted and closed to tasks; a later tick looks at them again, and
                                       removes those that are still idle and whose results are all collected; broken
                                       and preempted ones, which run nothing, go first
    as many, some of them unusable     these go in the same way, so that others can come

The app knows what no autoscale formula knows: which results are still on a node. What is not known removes nothing, and
no pool is touched that is being resized, scales itself or has jobs of somebody else. Nodes that were closed for a pool
that is not scaled any more are opened again. Where nothing is remembered of a pool, its closed nodes count as noted.

Cost of a tick: one list of the account's jobs, one of our own and one of what is remembered of pools; for each scaled
pool one look and one count for each of its active jobs; where there are as many nodes as are needed, one count of them;
where there are nodes to spare, one list of them and, for each job with open tasks, two of these.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from batch_core.app import App
from batch_core.backoff import backoff
from batch_core.config.pools import Pool, Scale
from batch_core.demand import needed_nodes
from batch_core.errors import Missing, RoutesError, ServiceError
from batch_core.lookback import OVERLAP
from batch_core.services.batch_values import Node, PoolStatus
from batch_core.services.ownership import AccountJob
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
#: An instance that has claimed the noted nodes for longer has ended before it was done.
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
        scaled = _scaled_pools(app)
        if not scaled and app.scaling.is_empty:
            return report
        remembered = await app.scaling.all()
        await _let_go(app, [one for pool_id, one in remembered.items() if pool_id not in scaled], report)
        if not scaled:
            return report
        # In this order: a job of ours is registered before it is created.
        active = await app.batch.active_jobs()
        jobs = await app.jobs.registered(active)
    except ServiceError as exc:
        logger.warning("No pool is scaled: %s", exc)
        report.is_complete = False
        return report
    for pool_id, (pool, bounds) in scaled.items():
        report.pools += 1
        state = remembered.get(pool_id, ScalingState(pool_id=pool.id))
        tick = _Tick(app, pool, bounds, state, _PoolJobs.of(app, pool, active, jobs), report)
        try:
            await tick.scale()
        except Missing as exc:
            logger.info("Pool %s is not scaled: %s", pool.id, exc)
        except ServiceError as exc:
            logger.warning("Pool %s is not scaled: %s", pool.id, exc)
            report.is_complete = False
    return report


def _scaled_pools(app: App) -> dict[str, tuple[Pool, Scale]]:
    """Return the pools that are to be scaled, by their ids in small letters; none while the routes cannot be read."""
    try:
        pools = app.routes().pools
    except RoutesError as exc:
        logger.warning("No pool is scaled: %s", exc)
        return {}
    return {pool.id.lower(): (pool, pool.scale) for pool in pools if pool.scale}


async def _let_go(app: App, unscaled: Iterable[ScalingState], report: ScaleReport) -> None:
    """Open the nodes that were closed for pools which are not scaled any more."""
    for state in unscaled:
        if state.closing:
            logger.info("Pool %s is scaled no more: %d nodes are opened again.", state.pool_id, len(state.closing))
            for node_id in state.closing:
                report.opened += await app.nodes.open(state.pool_id, node_id)
            await app.scaling.save(replace(state, closing=(), claimed_at=None))


@dataclass(frozen=True, kw_only=True)
class _PoolJobs:
    """The jobs on a pool: those of ours, of which some take tasks, and one of somebody else, if there is any."""

    ours: Sequence[JobEntry]
    active_ids: Sequence[str]
    of_another: str | None

    @classmethod
    def of(cls, app: App, pool: Pool, active: Sequence[AccountJob], jobs: Sequence[JobEntry]) -> "_PoolJobs":
        ours = [job for job in jobs if (job.pool_id or app.settings.pool.id).lower() == pool.id.lower()]
        known = {job.job_id for job in jobs}
        on_pool = [job for job in active if job.pool_id.lower() == pool.id.lower()]
        return cls(
            ours=ours,
            active_ids=sorted(job.job_id for job in on_pool if job.is_active and job.job_id in known),
            of_another=min((job.job_id for job in on_pool if job.job_id not in known), default=None),
        )


@dataclass(frozen=True, kw_only=True)
class _Nodes:
    """Numbers of nodes, of either kind."""

    dedicated: int
    spot: int

    @property
    def total(self) -> int:
        return self.dedicated + self.spot

    @classmethod
    def reached(cls, status: PoolStatus) -> "_Nodes":
        """Return what a pool has or is about to get: where that failed, what it is to have is no measure."""
        target = cls(dedicated=status.target - status.spot_target, spot=status.spot_target)
        if not status.errors:
            return target
        has = cls(dedicated=status.nodes - status.spot_nodes, spot=status.spot_nodes)
        return cls(dedicated=min(has.dedicated, target.dedicated), spot=min(has.spot, target.spot))


class _Tick:
    """One look at one pool."""

    def __init__(
        self, app: App, pool: Pool, bounds: Scale, state: ScalingState, jobs: _PoolJobs, report: ScaleReport
    ) -> None:
        self._app = app
        self._pool = pool
        self._bounds = bounds
        self._state = state
        self._jobs = jobs
        self._report = report

    async def scale(self) -> None:
        """Change the pool, if it may be changed now."""
        status = await self._app.batch.pool_status(self._pool.id)
        if obstacle := self._obstacle(status):
            logger.warning("Pool %s is not scaled: %s.", self._pool.id, obstacle)
            await _let_go(self._app, [self._state], self._report)
            return
        if not status.is_active or not status.is_steady:
            return
        if not self._state.is_known and not await self._remember_closed():
            return
        state = self._state
        wanted, reached = await self._wanted(status), _Nodes.reached(status)
        if wanted > reached.total - len(state.closing):
            await self._grow(status, wanted, reached)
        elif state.closing:
            await self._look_again()
        elif status.target > reached.total:
            # Batch would ask for the others the next time that the pool is resized, needed or not.
            logger.info("Pool %s does not need the nodes that it could not get.", self._pool.id)
            await self._app.nodes.resize(self._pool.id, dedicated=reached.dedicated, spot=reached.spot)
        elif wanted < reached.total:
            await self._close_idle(wanted, reached)
        elif reached.total and (await self._app.batch.node_counts(self._pool.id)).unusable:
            await self._close_unusable()

    def _obstacle(self, status: PoolStatus) -> str | None:
        if self._jobs.of_another:
            return f"job {self._jobs.of_another} on it is not of this app"
        return "it has an autoscale formula of its own" if status.scales_itself else None

    async def _remember_closed(self) -> bool:
        """Note nodes that are closed to tasks where nothing is remembered; False if another instance is at it.

        They were to go when the table was lost: nobody else would remove them or open them again.
        """
        closed = [node.id for node in await self._app.nodes.nodes(self._pool.id) if not node.is_open]
        saved = await self._app.scaling.save(replace(self._state, closing=tuple(closed)))
        if saved is not None:
            self._state = saved
        return saved is not None

    async def _wanted(self, status: PoolStatus) -> int:
        """Return how many nodes the open tasks need, within the pool's bounds."""
        nodes = await needed_nodes(self._app, self._jobs.active_ids, status.slots_per_node)
        if nodes > self._bounds.max:
            logger.info("Pool %s needs %d nodes; its ceiling is %d.", self._pool.id, nodes, self._bounds.max)
        return min(max(nodes, self._bounds.min), self._bounds.max)

    async def _grow(self, status: PoolStatus, wanted: int, reached: _Nodes) -> None:
        """Open the nodes that were to go, and ask for those that are missing, unless that has failed lately."""
        state, now = self._state, self._app.now()
        claimed = await self._claimed(state) if state.closing else None
        if claimed is not None:
            nodes = await self._app.nodes.nodes(self._pool.id)
            opened = await self._open([node for node in nodes if node.id in state.closing], claimed)
            if opened is None:
                return
            self._state = state = opened
        # Those that are noted still are broken, or another instance is at them: others are to take their place.
        target = self._target(wanted + len(state.closing), reached)
        if target.total <= reached.total:
            if claimed is not None and state.closing:
                await self._look_again()
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
        logger.info("Pool %s is to have %d nodes, %d of them Spot.", self._pool.id, target.total, target.spot)
        await self._app.nodes.resize(self._pool.id, dedicated=target.dedicated, spot=target.spot)
        self._report.asked_for += target.total - reached.total

    def _target(self, wanted: int, reached: _Nodes) -> _Nodes:
        """Return what to ask for: no node of either kind less than there is, since results may be on it."""
        dedicated, spot = self._bounds.split(min(wanted, self._bounds.max))
        dedicated, spot = max(dedicated, reached.dedicated), max(spot, reached.spot)
        # Where the share has changed, those of the other kind are there already.
        surplus = max(dedicated + spot - max(self._bounds.max, reached.total), 0)
        fewer_spot = min(surplus, spot - reached.spot)
        return _Nodes(dedicated=dedicated - (surplus - fewer_spot), spot=spot - fewer_spot)

    async def _close_idle(self, wanted: int, reached: _Nodes) -> None:
        """Note idle nodes that are to go and close them to tasks; they go when a later tick finds them as they were."""
        nodes = await self._app.nodes.nodes(self._pool.id)
        idle = [node for node in nodes if self._may_go(node) and (node.is_open or node.is_broken)]
        dedicated, spot = self._bounds.split(wanted)
        surplus = {True: max(reached.dedicated - dedicated, 0), False: max(reached.spot - spot, 0)}
        chosen = [node for kind in surplus for node in _first_to_go(idle, kind)[: surplus[kind]]]
        await self._note(chosen[: min(reached.total - wanted, MAX_NODES_PER_REMOVAL)])

    async def _close_unusable(self) -> None:
        """Note nodes that Batch cannot use: others can take their place once they are gone."""
        nodes = await self._app.nodes.nodes(self._pool.id)
        unusable = [node for node in nodes if node.is_unusable and self._may_go(node)]
        await self._note(unusable[:MAX_NODES_PER_REMOVAL])

    async def _note(self, chosen: Sequence[Node]) -> None:
        """Note those of the nodes that hold no result, and close them to tasks."""
        if not chosen or (holding := await self._holding()) is None:
            return
        going = [node for node in chosen if node.id not in holding]
        if not going:
            return
        noted = replace(self._state, closing=tuple(node.id for node in going), claimed_at=self._app.now())
        if (claimed := await self._app.scaling.save(noted)) is None:
            return
        await self._close(going)
        if await self._app.scaling.save(replace(claimed, claimed_at=None)) is None:
            await self._open_forgotten(going)

    async def _open_forgotten(self, closed: Sequence[Node]) -> None:
        """Open nodes that another instance has taken off the note while they were being closed."""
        state = (await self._app.scaling.all()).get(self._pool.id.lower())
        noted = state.closing if state else ()
        for node in closed:
            if node.id not in noted:
                self._report.opened += await self._app.nodes.open(self._pool.id, node.id)

    async def _close(self, nodes: Sequence[Node]) -> bool:
        """Close those of the nodes to tasks that could have some; returns whether there were any."""
        open_nodes = [node for node in nodes if node.is_open and not node.is_broken]
        for node in open_nodes:
            await self._app.nodes.close(self._pool.id, node.id)
            self._report.closed += 1
        return bool(open_nodes)

    async def _look_again(self) -> None:
        """Remove the noted nodes that are idle still and hold no result; open the others again."""
        found = {node.id: node for node in await self._app.nodes.nodes(self._pool.id)}
        noted = [found[node_id] for node_id in self._state.closing if node_id in found]
        # The tick that noted them stopped before it closed them all, or a broken one has been mended.
        if await self._close(noted):
            return
        if any((node.is_idle or node.is_broken) and not self._may_go(node) for node in noted):
            return
        holding = await self._holding()
        if holding is None or (claimed := await self._claimed(self._state)) is None:
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
        for job in self._jobs.ours:
            of_job = {task.task_id: task for task in open_tasks if task.job_id == job.job_id}
            if not of_job:
                continue
            try:
                live = await self._app.batch.live_tasks(job.job_id)
                pages = [page async for page in self._app.batch.completed_tasks(job.job_id, job.watermark)]
            except Missing:
                continue
            nodes = {task.task_id: task.node_id for page in pages for task in page.read(of_job)}
            if any(page.unreadable for page in pages):
                return None
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


def _first_to_go(nodes: Sequence[Node], is_dedicated: bool) -> list[Node]:
    """Return the nodes of a kind: broken ones first, then those that have been idle for longest."""
    of_kind = (node for node in nodes if node.is_dedicated is is_dedicated)
    return sorted(of_kind, key=lambda node: (not node.is_broken, node.since))
