"""What Batch says of a task now: read when its record is asked for, never written.

One call for a task that has its node, up to four for one that waits. Nothing here can keep the record from being
answered: what Batch does not answer in time is said to be unknown.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batch_core.app import App
from batch_core.errors import ServiceError
from batch_core.state.record import TaskRecord, TaskState
from batch_core.waiting import AT_WORK, why_waiting, with_requeues

#: How long an answer waits for Batch, in seconds.
PATIENCE_SECONDS: Final = 5.0

_REASONS: Final = AT_WORK | {"completed": "it has ended; its output is about to be collected"}


@dataclass(frozen=True, kw_only=True)
class Live:
    """A task as Batch has it at this moment. Times are aware and UTC; what Batch does not say is None."""

    #: Batch's own word: active, preparing, running or completed; unknown if it did not answer.
    state: str
    #: Where it is, or why it waits, in a sentence.
    reason: str
    node_id: str | None = None
    started_at: datetime | None = None


async def look_up(app: App, task_id: str) -> tuple[TaskRecord, Live | None]:
    """Return a task's record, and what Batch says of the task now. Raises as `StateTable.get` does."""
    record = (await app.table.get(task_id)).record
    return record, await live_task(app, record)


async def live_task(app: App, record: TaskRecord) -> Live | None:
    """Ask Batch for a submitted task; None for others: theirs is what the record says. Raises nothing."""
    if record.state is not TaskState.SUBMITTED:
        return None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _ask(app, record)
    except TimeoutError:
        return Live(state="unknown", reason=f"Batch has not answered within {PATIENCE_SECONDS:g} seconds")
    except ServiceError as exc:
        return Live(state="unknown", reason=f"where it is now is not known: {exc}")


async def _ask(app: App, record: TaskRecord) -> Live:
    task = await app.batch.current_task(record.job_id, record.task_id)
    reason = _REASONS.get(task.state) or await why_waiting(app, record.job_id)
    requeues = max(task.requeues, record.requeues)
    return Live(
        state=task.state,
        reason=with_requeues(reason, requeues),
        node_id=task.node_id if task.state in _REASONS else None,
        started_at=task.started_at if task.state != "preparing" else None,
    )
