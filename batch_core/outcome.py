"""What a completed Batch task means: its execution becomes an outcome.

The result and the failure information decide, not the exit code alone: a task that was stopped, or that never started,
has none (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
"""

from batch_core.services.batch_values import CompletedTask, Execution
from batch_core.state.record import Outcome, TaskState


def outcome_of(task: CompletedTask) -> Outcome:
    """Return how this completed task ended; its output is not considered yet."""
    execution = task.execution
    if execution is None:
        reason = "the task was completed before it ever ran"
        return Outcome(state=TaskState.FAILED, node_id=task.node_id, reason=reason)
    failure = execution.failure
    return Outcome(
        state=TaskState.SUCCEEDED if execution.is_success else TaskState.FAILED,
        reason=None if execution.is_success else _reason(execution),
        started_at=execution.started_at,
        ended_at=execution.ended_at,
        node_id=task.node_id,
        exit_code=execution.exit_code,
        failure_category=failure.category if failure else None,
        failure_code=failure.code if failure else None,
        failure_message=failure.message if failure else None,
    )


def has_run(outcome: Outcome) -> bool:
    """Return whether the command was started, so that there should be output."""
    return outcome.exit_code is not None


def _reason(execution: Execution) -> str:
    if execution.exit_code:
        return f"the command ended with exit code {execution.exit_code}"
    if execution.failure is None:
        return "Batch gives no reason"
    return f"{execution.failure.code}: {execution.failure.message}"
