from datetime import UTC, datetime, timedelta

import pytest
from azure.batch.models import (
    BatchNodeInfo,
    BatchTask,
    BatchTaskConstraints,
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


ENDED_BY = {
    # As clients have recorded it from the service, and as it once was.
    "a time limit": (
        "The task was ended by user request",
        "The maximum execution time configured on the task was exceeded",
    ),
    "a time limit, before": ("Task Was Ended by User Request", "The maximum execution time was exceeded"),
    "a person": ("Task Was Ended by User Request", None),
}


def ended_by(name: str, **execution: object) -> BatchTask:
    message, detail = ENDED_BY[name]
    details = [NameValuePair(name="Message", value=detail)] if detail else None
    failure = BatchTaskFailureInfo(category="usererror", code="TaskEnded", message=message, details=details)
    return completed(result="failure", failure_info=failure, **execution)


@pytest.mark.parametrize("exit_code", [None, -9, 137])
@pytest.mark.parametrize("name", ["a time limit", "a time limit, before"])
def test_a_task_stopped_by_its_time_limit_says_so_whatever_its_exit_code(name, exit_code):
    task = ended_by(name, exit_code=exit_code)
    task.constraints = BatchTaskConstraints(max_wall_clock_time=timedelta(minutes=20))
    outcome = outcome_of(task)
    assert outcome.state is TaskState.FAILED
    assert outcome.reason == "the command ran longer than its time limit of 20 minutes and was stopped"
    assert outcome.failure_message == ": ".join(ENDED_BY[name])
    assert has_run(outcome) == (exit_code is not None)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (timedelta(days=1), " of 1 day"),
        (timedelta(hours=25, minutes=1), " of 1 day 1 hour 1 minute"),
        (timedelta(minutes=90), " of 1 hour 30 minutes"),
        (timedelta(seconds=0.5), " of 0.5 seconds"),
        (None, ""),
    ],
)
def test_the_time_limit_is_said_in_words(limit, words):
    task = ended_by("a time limit")
    task.constraints = BatchTaskConstraints(max_wall_clock_time=limit)
    assert outcome_of(task).reason == f"the command ran longer than its time limit{words} and was stopped"


def test_an_exit_code_that_batch_blames_and_does_not_give_leaves_its_words():
    failure = BatchTaskFailureInfo(category="usererror", code="FailureExitCode", message="It failed")
    assert outcome_of(completed(result="failure", failure_info=failure)).reason == "FailureExitCode: It failed"
    assert outcome_of(completed(result="failure")).reason == "Batch gives no reason"


@pytest.mark.parametrize("limit", ["P1Y", "soon", 5])
def test_a_time_limit_that_is_no_duration_is_not_said_and_stops_nothing(limit):
    task = ended_by("a time limit")
    task.constraints = BatchTaskConstraints({"maxWallClockTime": limit})
    assert outcome_of(task).reason == "the command ran longer than its time limit and was stopped"


def test_a_task_that_a_person_ended_names_no_time_limit():
    assert outcome_of(ended_by("a person", exit_code=-9)).reason == "TaskEnded: Task Was Ended by User Request"


def test_of_an_upload_that_failed_the_reason_has_batchs_words_and_the_exit_code_of_a_command_that_failed_too():
    failure = BatchTaskFailureInfo(
        category="usererror",
        code="FileUploadMiscError",
        message="One of the output files was not uploaded.",
        details=[
            NameValuePair(name="Message", value="The disk is full."),
            NameValuePair(name="Message", value="Twice"),
        ],
    )
    said = "FileUploadMiscError: One of the output files was not uploaded. The disk is full. Twice"
    assert outcome_of(completed(exit_code=0, result="failure", failure_info=failure)).reason == said
    outcome = outcome_of(completed(exit_code=3, result="failure", failure_info=failure))
    assert outcome.reason == f"{said}; the command ended with exit code 3"


@pytest.mark.parametrize(
    ("message", "detail", "said"), [("Failed", None, "Failed"), (None, "Why", "Why"), (None, None, "")]
)
def test_a_message_of_one_part_is_that_part(message, detail, said):
    details = [NameValuePair(name="Message", value=detail)] if detail else None
    failure = BatchTaskFailureInfo(category="servererror", code="Unknown", message=message, details=details)
    outcome = outcome_of(completed(result="failure", failure_info=failure))
    assert (outcome.failure_message, outcome.reason) == (said, f"Unknown: {said}" if said else "Unknown")


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
