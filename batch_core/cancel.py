"""A person stops a task.

The wish is recorded first, then the task is terminated, then it gets its final state: from collect if it was in Batch
(what it printed until then is kept), at once if it was not. What stops in between is finished by the reconciling
tick.
"""

from batch_core.app import App
from batch_core.entities import Stored
from batch_core.errors import NotNow
from batch_core.record import Outcome, TaskRecord, TaskState
from batch_core.table import Closing

_TRIES = 5


async def cancel(app: App, task_id: str) -> TaskRecord:
    """Stop a task; returns its record, which is final or soon will be.

    Raises `RecordNotFound`, `NotNow` if it has its final state already, and the `ServiceError` that fits.
    """
    stored = await _record_wish(app, task_id)
    if not await app.batch.terminate_task(stored.record.job_id, task_id):
        outcome = Outcome(state=TaskState.CANCELLED, reason="cancelled before it ran")
        await app.table.close([Closing(task_id=task_id, outcome=outcome)], app.now())
    return (await app.table.get(task_id)).record


async def _record_wish(app: App, task_id: str) -> Stored:
    for _ in range(_TRIES):
        stored = await app.table.get(task_id)
        if stored.record.state.is_final:
            raise NotNow(f"task {task_id} is {stored.record.state} already")
        if stored.record.cancel_requested_at:
            return stored
        (changed,) = await app.table.change(
            [stored], marks={"is_cancelled": True}, cancel_requested_at=app.now(), reason="being cancelled on request"
        )
        if changed is not None:
            return changed
    raise NotNow(f"task {task_id} is changing all the time: try again")
