from datetime import UTC, datetime

import pytest
from azure.batch.models import (
    BatchNodeInfo,
    BatchTask,
    BatchTaskExecutionInfo,
    BatchTaskFailureInfo,
    NameValuePair,
)

from batch_core.outcome import has_run
from batch_core.outcome import outcome_of as outcome_of_task
from batch_core.services.batch_reading import completed_task
from batch_core.state.record import Outcome, TaskState

STARTED = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ENDED = datetime(2026, 11, 23, 8, 1, tzinfo=UTC)


def outcome_of(task: BatchTask) -> Outcome:
    task.id, task.state_transition_time = "task", ENDED
    return outcome_of_task(completed_task(task))


def completed(**execution: object) -> BatchTask:
    info = BatchTaskExecutionInfo(start_time=STARTED, end_time=ENDED, retry_count=0, requeue_count=0, **execution)
    task = BatchTask()
    task.execution_info = info
    task.node_info = BatchNodeInfo(node_id="tvm-1")
    return task


def test_success_is_what_the_service_calls_success():
    outcome = outcome_of(completed(exit_code=0, result="success"))
    assert outcome == Outcome(
        state=TaskState.SUCCEEDED, started_at=STARTED, ended_at=ENDED, node_id="tvm-1", exit_code=0
    )


def test_a_non_zero_exit_code_is_a_failure_with_its_reason():
    failure = BatchTaskFailureInfo(
        category="usererror",
        code="FailureExitCode",
        message="The task exited with an exit code representing a failure",
        details=[NameValuePair(name="Message", value="The task process exited with an unexpected exit code")],
    )
    outcome = outcome_of(completed(exit_code=3, result="failure", failure_info=failure))
    assert (outcome.state, outcome.exit_code) == (TaskState.FAILED, 3)
    assert outcome.reason == "the command ended with exit code 3"
    assert (outcome.failure_category, outcome.failure_code) == ("usererror", "FailureExitCode")


def test_a_task_stopped_by_its_time_limit_failed_though_it_has_no_exit_code():
    failure = BatchTaskFailureInfo(
        category="usererror",
        code="TaskEnded",
        message="Task Was Ended by User Request",
        details=[NameValuePair(name="Message", value="The maximum execution time was exceeded")],
    )
    outcome = outcome_of(completed(result="failure", failure_info=failure))
    assert outcome.state is TaskState.FAILED
    assert outcome.reason == "TaskEnded: Task Was Ended by User Request The maximum execution time was exceeded"
    assert not has_run(outcome)


@pytest.mark.parametrize("execution", [{"exit_code": 0}, {"exit_code": 0, "result": "failure"}, {}])
def test_unknown_is_never_success(execution):
    assert outcome_of(completed(**execution)).state is TaskState.FAILED


def test_a_task_that_never_ran_failed():
    task = BatchTask()
    assert outcome_of(task).state is TaskState.FAILED
    assert "before it ever ran" in outcome_of(task).reason


def test_what_batch_says_of_the_input_never_brings_its_signature_into_the_record():
    failure = BatchTaskFailureInfo(
        category="usererror",
        code="BlobAccessDenied",
        message="Access for one of the specified Azure Blob(s) is denied",
        details=[NameValuePair(name="BlobSource", value="https://a.blob.core.windows.net/c/b?sig=verysecret")],
    )
    assert "verysecret" not in repr(outcome_of(completed(result="failure", failure_info=failure)))
