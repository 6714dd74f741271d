"""Why tasks that Batch has accepted do not run: the state of their job or their pool, in a sentence.

The sentences hold no figures that change from tick to tick, so that a record is written again only when the reason
changes.
"""

from azure.batch.models import AllocationState, BatchPoolState

from batch_core.app import App
from batch_core.errors import Missing, ServiceError
from batch_core.services.batch import NodeCounts, PoolStatus

#: What Batch's words for a task that has its node mean.
AT_WORK = {"running": "it is running", "preparing": "it has a node, which is getting its input"}


async def why_waiting(app: App, job_id: str) -> str:
    """Ask for the job, the pool and its nodes (three calls), and return the likeliest reason."""
    pool_id = app.settings.pool.id
    try:
        if await app.batch.is_disabled(job_id):
            return f"it waits because its job is disabled: enable {job_id}"
        pool = await app.batch.pool_status(pool_id)
        counts = await app.batch.node_counts(pool_id)
    except Missing:
        return f"it waits for a pool: there is no pool {pool_id!r}; `python -m batch_core setup` makes it"
    except ServiceError as exc:
        return f"it waits for a node; why is not known: {exc}"
    return f"it waits for a node of pool {pool_id!r}: {_reason(pool, counts)}"


def _reason(pool: PoolStatus, counts: NodeCounts) -> str:
    errors = "; ".join(pool.errors)
    is_growing = pool.allocation_state != AllocationState.STEADY
    reasons = [
        (pool.state == BatchPoolState.DELETING, "the pool is being deleted"),
        (counts.start_task_failed and not counts.able, "its start task failed on every node"),
        (errors, f"it cannot get its nodes ({errors})"),
        (counts.able, "every task slot is taken"),
        (counts.starting or is_growing, "its nodes are starting"),
        (counts.unusable, "its nodes are unusable"),
        (counts.total, "none of its nodes takes tasks"),
        (True, "it has no nodes, and is not getting any"),
    ]
    return next(text for is_so, text in reasons if is_so)
