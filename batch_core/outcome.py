"""What a completed Batch task means: its execution becomes an outcome.

The result and the failure information decide, not the exit code alone: a task that was stopped, or that never started,
has none (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
"""

from dataclasses import replace
from typing import Final

from batch_core.services.batch_values import CompletedTask, Execution
from batch_core.state.record import Outcome, TaskState

#: Why a task failed whose command ended with another exit code than 0
#: (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
EXIT_CODE: Final = "FailureExitCode"


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
        requeues=execution.requeues or None,
    )


def is_upload_failure(outcome: Outcome) -> bool:
    """Return whether the task failed because its node could not upload a file.

    https://learn.microsoft.com/azure/batch/batch-job-task-error-checking
    """
    return (outcome.failure_code or "").startswith("FileUpload")


def ended_by_itself(outcome: Outcome) -> bool:
    """Return whether the command ran to its end, whatever its exit code: then its node uploaded what was due.

    Of one that a person, the service or its time limit ended, nothing is said of uploads.
    """
    return outcome.exit_code is not None and outcome.failure_code in {None, EXIT_CODE}


def as_the_command_ended(outcome: Outcome) -> Outcome:
    """Return the outcome without the failure of an upload: the exit code decides."""
    is_success = outcome.exit_code == 0
    return replace(
        outcome,
        state=TaskState.SUCCEEDED if is_success else TaskState.FAILED,
        reason=None if is_success else f"the command ended with exit code {outcome.exit_code}",
        failure_category=None if is_success else outcome.failure_category,
        failure_code=None,
        failure_message=None,
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
