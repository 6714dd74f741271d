"""What a completed Batch task means: its execution becomes an outcome.

The result and the failure information decide, not the exit code alone: a task that was stopped, or that never started,
has none (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from batch_core.services.batch_values import CompletedTask, Execution, Failure
from batch_core.state.record import Outcome, TaskState

#: Why a task failed whose command ended with another exit code than 0
#: (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
EXIT_CODE: Final = "FailureExitCode"
#: A task that was ended, by a person or by its time limit: Batch's message alone says which. Its words, as other
#: programs have recorded them, are "The maximum execution time configured on the task was exceeded".
_ENDED: Final = "TaskEnded"
_TIME_IS_UP: Final = "maximum execution time"


def outcome_of(task: CompletedTask) -> Outcome:
    """Return how this completed task ended; its output is not considered yet."""
    execution = task.execution
    if execution is None:
        reason = "the task was completed before it ever ran"
        return Outcome(state=TaskState.FAILED, node_id=task.node_id, reason=reason)
    failure = execution.failure
    return Outcome(
        state=TaskState.SUCCEEDED if execution.is_success else TaskState.FAILED,
        reason=None if execution.is_success else _reason(execution, task.time_limit),
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
        reason=None if is_success else _exit_reason(outcome.exit_code),
        failure_category=None if is_success else outcome.failure_category,
        failure_code=None,
        failure_message=None,
    )


def has_run(outcome: Outcome) -> bool:
    """Return whether the command was started, so that there should be output."""
    return outcome.exit_code is not None


def _reason(execution: Execution, time_limit: timedelta | None) -> str:
    """Return why a task failed; an exit code is the reason only where the command ended by itself."""
    failure = execution.failure
    if execution.exit_code and (failure is None or failure.code == EXIT_CODE):
        return _exit_reason(execution.exit_code)
    if failure is None:
        return "Batch gives no reason"
    if _is_over_time(failure):
        limit = f" of {_in_words(time_limit)}" if time_limit else ""
        return f"the command ran longer than its time limit{limit} and was stopped"
    said = ": ".join(part for part in (failure.code, failure.message) if part)
    # Of a task that was ended, the exit code is the signal's; any other is the command's own.
    is_own = execution.exit_code and failure.code != _ENDED
    return f"{said.rstrip('.')}; {_exit_reason(execution.exit_code)}" if is_own else said


def _exit_reason(exit_code: int | None) -> str:
    return f"the command ended with exit code {exit_code}"


def _is_over_time(failure: Failure) -> bool:
    return failure.code == _ENDED and _TIME_IS_UP in failure.message.lower()


def _in_words(duration: timedelta) -> str:
    """Return a duration in words, such as "1 hour 30 minutes"; parts of a second are shown as such."""
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    parts = {"day": days, "hour": hours, "minute": minutes, "second": seconds}
    words = [f"{number:g} {unit}{'' if number == 1 else 's'}" for unit, number in parts.items() if number]
    return " ".join(words) or "0 seconds"
