"""What a completed Batch task means: its execution information becomes an outcome.

The result and the failure information decide, not the exit code alone: a task that was stopped, or that never started,
has none (https://learn.microsoft.com/azure/batch/batch-job-task-error-checking).
"""

from datetime import UTC, datetime
from enum import Enum
from typing import Final

from azure.batch.models import BatchTask, BatchTaskExecutionResult, BatchTaskFailureInfo

from batch_core.checked import checked
from batch_core.state.record import Outcome, TaskState

#: The table holds no earlier time and no larger number
#: (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types).
EARLIEST: Final = datetime(1601, 1, 1, tzinfo=UTC)
_LARGEST: Final = 2**63 - 1


def word(value: str | Enum) -> str:
    """Return the service's own word for a value that the SDK may have turned into an enumeration's."""
    return str(value.value if isinstance(value, Enum) else value)


def outcome_of(task: BatchTask) -> Outcome:
    """Return how this completed task ended; its output is not considered yet.

    Raises `TypeError` or `ValueError` for what no task of the service can say.
    """
    execution = task.execution_info
    node_id = task.node_info.node_id if task.node_info else None
    if execution is None:
        reason = "the task was completed before it ever ran"
        return checked(Outcome, {"state": TaskState.FAILED, "node_id": node_id, "reason": reason})
    succeeded = execution.result == BatchTaskExecutionResult.SUCCESS
    failure = execution.failure_info
    values = {
        "state": TaskState.SUCCEEDED if succeeded else TaskState.FAILED,
        "reason": None if succeeded else _reason(failure, execution.exit_code),
        "started_at": _moment(execution.start_time),
        "ended_at": _moment(execution.end_time),
        "node_id": node_id,
        "exit_code": _number(execution.exit_code),
        "failure_category": word(failure.category) if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_message": _with_details(failure) if failure else None,
    }
    return checked(Outcome, values)


def _moment(value: datetime | None) -> datetime | None:
    """Leave out a placeholder such as year 1."""
    return None if value is None or value < EARLIEST else value


def _number(value: int | None) -> int | None:
    if value is not None and abs(value) > _LARGEST:
        raise ValueError(f"{value} is no exit code")
    return value


def has_run(outcome: Outcome) -> bool:
    """Tell whether the command was started, so that there should be output."""
    return outcome.exit_code is not None


def _reason(failure: BatchTaskFailureInfo | None, exit_code: int | None) -> str:
    if exit_code:
        return f"the command ended with exit code {exit_code}"
    if failure is None:
        return "Batch gives no reason"
    return f"{failure.code}: {_with_details(failure)}"


def _with_details(failure: BatchTaskFailureInfo) -> str:
    # Values may hold the input's URL with its SAS signature: only the details that are made to be read.
    details = [d.value for d in failure.details or [] if d.name == "Message" and d.value]
    return " ".join([failure.message or "", *details]).strip()
