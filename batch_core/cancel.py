"""The operator stops a task.

The request is recorded first: from then on the task is not handed to Batch. Then the task is terminated, and it gets
its final state: from collect if Batch has it, so that what it printed is kept; at once if Batch no longer has it; and
if Batch never had it, from the reconciling tick, when no call can be in flight any more that would still add it. That
tick also finishes a cancellation that was interrupted.
"""

from dataclasses import replace
from typing import Final

from batch_core.app import App
from batch_core.bookkeeping import after_closing
from batch_core.errors import NotNow
from batch_core.in_flight import IN_FLIGHT
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.record import Outcome, TaskRecord, TaskState

_TRIES: Final = 5


async def cancel(app: App, task_id: str, asked_by: str | None = None) -> TaskRecord:
    """Stop a task; returns its record, which is final or soon will be, and names who asked first.

    Raises `RecordNotFound`, `NotNow` if it has its final state already, and the `ServiceError` that fits.
    """
    stored = await _record_request(app, task_id, asked_by)
    if stored.record.job_id and await app.batch.terminate_task(stored.record.job_id, task_id):
        return stored.record
    outcome = cancelled_without_task(app, stored.record)
    if outcome is None:
        return stored.record
    await app.table.close([Closing.of(stored, outcome)], app.now())
    await after_closing(app)
    return (await app.table.get(task_id)).record


def cancelled_without_task(app: App, record: TaskRecord) -> Outcome | None:
    """Return how a cancelled task ends that Batch does not have; None while it may still be handed to Batch."""
    if record.state is TaskState.SUBMITTED:
        return Outcome(state=TaskState.CANCELLED, reason="cancelled on request; Batch no longer knew the task")
    is_settled = record.cancel_requested_at is not None and record.cancel_requested_at <= app.now() - IN_FLIGHT
    # Without a job nobody can be handing it over: to pin one fails on the record's ETag from now on.
    if not is_settled and record.job_id:
        return None
    return Outcome(state=TaskState.CANCELLED, reason="cancelled before it ran")


async def _record_request(app: App, task_id: str, asked_by: str | None) -> Stored:
    for _ in range(_TRIES):
        stored = await app.table.get(task_id)
        if stored.record.state.is_final:
            raise NotNow(f"task {task_id} has ended already ({stored.record.state})")
        if stored.record.cancel_requested_at:
            return stored
        requested = replace(
            stored.record,
            cancel_requested_at=app.now(),
            cancel_asked_by=asked_by,
            reason="being cancelled on request",
        )
        (changed,) = await app.table.update([Change(stored, requested)])
        if changed is not None:
            return changed
    raise NotNow(f"task {task_id} was modified concurrently: try again")
