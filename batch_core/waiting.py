"""Why tasks that Batch has accepted do not run: the state of their job or their pool, in a sentence.

The sentences hold no figures that change from tick to tick, so that a record is written again only when the reason
changes.
"""

from typing import Final

from batch_core.app import App
from batch_core.config.pools import Pool, Scale
from batch_core.errors import Missing, RoutesError, ServiceError
from batch_core.pool_trouble import missing_pool, pool_trouble
from batch_core.services.batch_values import NodeCounts, PoolStatus

#: What Batch's words for a task that has its node mean.
AT_WORK: Final = {"running": "it is running", "preparing": "it has a node, which is getting its input"}


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
