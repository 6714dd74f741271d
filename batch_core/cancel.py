"""A person stops a task.

The wish is recorded first: from then on nobody hands the task to Batch. Then the task is terminated, and it gets its
final state: from collect if Batch has it, so that what it printed is kept; at once if Batch has no longer got it; and
if Batch never had it, from the reconciling tick, when no call can be under way any more that would still add it. That
tick also finishes whatever stops in between.
"""

from batch_core.app import App
from batch_core.clocks import CLOCK_MARGIN
from batch_core.errors import NotNow
from batch_core.services.clients import LONGEST_CALL
from batch_core.state.entities import Stored
from batch_core.state.record import Outcome, TaskRecord, TaskState
from batch_core.state.table import Closing
from batch_core.submit import KNOWN_FOR

#: Calls that are made from the moment at which a record was last without the wish to the one at which Batch takes its
#: task, but for those within `KNOWN_FOR` (which makes the job, or gets a delegation key): the table's own that read or
#: wrote the record, since its answer may be late, and the one that adds the task.
_CALLS = 2
#: Longer than a submission that has not seen the wish can be under way. The clocks are those of two of the app's own
#: processes: the one that noted the wish and the one that looks at it.
UNDER_WAY = KNOWN_FOR + _CALLS * LONGEST_CALL + CLOCK_MARGIN
_TRIES = 5


async def cancel(app: App, task_id: str) -> TaskRecord:
    """Stop a task; returns its record, which is final or soon will be.

    Raises `RecordNotFound`, `NotNow` if it has its final state already, and the `ServiceError` that fits.
    """
    stored = await _record_wish(app, task_id)
    if await app.batch.terminate_task(stored.record.job_id, task_id):
        return stored.record
    outcome = cancelled_without_task(app, stored.record)
    if outcome is None:
        return stored.record
    await app.table.close([Closing(task_id=task_id, outcome=outcome)], app.now())
    return (await app.table.get(task_id)).record


def cancelled_without_task(app: App, record: TaskRecord) -> Outcome | None:
    """Return how a task ends that a person stops and Batch has not got; None while Batch may still be given it."""
    if record.state is TaskState.SUBMITTED:
        return Outcome(state=TaskState.CANCELLED, reason="cancelled on request; Batch did not know the task any more")
    if record.cancel_requested_at is None or record.cancel_requested_at > app.now() - UNDER_WAY:
        return None
    return Outcome(state=TaskState.CANCELLED, reason="cancelled before it ran")


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
