"""What keeps a pool from running tasks, in a sentence: said by health, and as the reason of tasks that wait."""

from batch_core.config.pools import Pool
from batch_core.services.batch_values import NodeCounts, PoolStatus


def missing_pool(pool_id: str, pool: Pool | None) -> str:
    """Say that Batch has no such pool, and who makes it; `pool` is what settings and routes say of it, if anything."""
    remedy = "it is to exist already" if pool and pool.is_existing else "`batchdrop setup` makes it"
    return f"there is no pool {pool_id!r}: {remedy}"


def pool_trouble(pool: PoolStatus, counts: NodeCounts | None = None, *, is_scaled: bool = False) -> str | None:
    """Return what is wrong with a pool; None if its tasks wait for nothing but a free slot or a starting node.

    A pool that the app scales may have no nodes: it gets them when there are tasks.

    Without the counts of its nodes only what the pool itself says is judged. The sentences hold no figures that change
    from tick to tick.
    """
    counts = counts or NodeCounts(total=pool.nodes)
    is_coming = counts.able or counts.starting or not pool.is_steady
    troubles = [
        (pool.is_deleting, "the pool is being deleted"),
        (counts.start_task_failed and not counts.able, "its start task failed on every node"),
        (pool.errors, f"it cannot get its nodes ({'; '.join(pool.errors)})"),
        (counts.unusable and not is_coming, "its nodes are unusable"),
        (counts.preempted and not is_coming, "its Spot nodes were preempted, and Batch has no others for it yet"),
        (not counts.total and not is_coming and not is_scaled, "it has no nodes, and is not getting any"),
    ]
    return next((text for is_so, text in troubles if is_so), None)
