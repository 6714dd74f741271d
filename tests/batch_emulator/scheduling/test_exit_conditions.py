import pytest
from azure.batch.models import (
    BatchTaskDependencies,
    ExitCodeMapping,
    ExitCodeRangeMapping,
    ExitConditions,
    ExitOptions,
)

from batch_emulator.execution.outcome import Failure, Outcome, ended_by_time_limit, exit_failure
from batch_emulator.scheduling.exit_actions import exit_actions
from tests.batch_emulator.conftest import until
from tests.batch_emulator.signed import send, values

SUCCESS = Outcome(exit_code=0)
UPLOAD = Failure(code="FileUploadMiscError", message="")
NOT_FOUND = Failure(code="BlobNotFound", message="")
DISABLE = {"jobAction": "disable", "dependencyAction": "satisfy"}
CODES = {"exitCodes": [{"code": 0, "exitOptions": DISABLE}, {"code": 3, "exitOptions": DISABLE}]}
RANGE = {"exitCodeRanges": [{"start": 2, "end": 4, "exitOptions": DISABLE}]}


def failed(code):
    return Outcome(exit_code=code, failure=exit_failure())


@pytest.mark.parametrize(
    ("outcome", "conditions", "expected"),
    [
        (SUCCESS, {}, ("none", "satisfy")),
        (failed(1), {}, ("terminate", "block")),
        (Outcome(failure=NOT_FOUND), {}, ("terminate", "block")),
        (Outcome(exit_code=0, failure=UPLOAD), {}, ("terminate", "block")),
        (SUCCESS, {"default": DISABLE}, ("none", "satisfy")),
        (SUCCESS, CODES, ("disable", "satisfy")),
        (failed(1), {"default": DISABLE}, ("disable", "satisfy")),
        (failed(1), {"default": {"dependencyAction": "satisfy"}}, ("terminate", "satisfy")),
        (failed(3), CODES, ("disable", "satisfy")),
        (failed(4), CODES | {"default": {"jobAction": "none"}}, ("none", "block")),
        (failed(2), RANGE, ("disable", "satisfy")),
        (failed(4), RANGE, ("disable", "satisfy")),
        (failed(5), RANGE, ("terminate", "block")),
        (Outcome(failure=NOT_FOUND), {"preProcessingError": DISABLE}, ("disable", "satisfy")),
        (Outcome(failure=NOT_FOUND), {"default": DISABLE}, ("disable", "satisfy")),
        (failed(1), {"preProcessingError": DISABLE, "fileUploadError": DISABLE}, ("terminate", "block")),
        (Outcome(exit_code=0, failure=UPLOAD), {"fileUploadError": DISABLE}, ("disable", "satisfy")),
        (Outcome(exit_code=0, failure=UPLOAD), {"default": DISABLE}, ("disable", "satisfy")),
        (Outcome(exit_code=3, failure=UPLOAD), CODES | {"fileUploadError": {}}, ("disable", "satisfy")),
        (Outcome(exit_code=-9, failure=ended_by_time_limit()), {"default": DISABLE}, ("disable", "satisfy")),
    ],
)
def test_the_condition_that_holds_decides(outcome, conditions, expected):
    actions = exit_actions(outcome, conditions)
    assert (actions.job, actions.dependents) == expected


@pytest.fixture
async def strict_job(batch, pool):
    return await batch.job(pool, task_failure_mode="performexitoptionsjobaction", uses_task_dependencies=True)


async def in_state(batch, job_id, state):
    async def look():
        job = await batch.client.get_job(job_id)
        return job if job.state == state else None

    return await until(look)


async def test_a_failed_task_terminates_a_job_that_says_so(batch, strict_job):
    await batch.task(strict_job, "/bin/sleep 60", "other")
    await batch.run(strict_job, "/bin/false")
    job = await in_state(batch, strict_job, "completed")
    assert job.execution_info.termination_reason == "TaskFailed"


async def test_an_exit_code_may_disable_the_job_and_let_others_go_on(batch, strict_job):
    disable = ExitOptions(job_action="disable", dependency_action="satisfy")
    conditions = ExitConditions(
        exit_code_ranges=[ExitCodeRangeMapping(start=2, end=4, exit_options=disable)],
        exit_codes=[ExitCodeMapping(code=1, exit_options=ExitOptions(job_action="none"))],
    )
    depends_on = BatchTaskDependencies(task_ids=["three"])
    await batch.task(strict_job, "/bin/true", "after", depends_on=depends_on)
    await batch.run(strict_job, "/bin/false", "one", exit_conditions=conditions)
    assert (await batch.client.get_job(strict_job)).state == "active"
    three = await batch.run(strict_job, "/bin/sh -c 'exit 3'", "three", exit_conditions=conditions)
    assert three.exit_conditions.as_dict() == conditions.as_dict()
    await in_state(batch, strict_job, "disabled")
    await (await batch.client.begin_enable_job(strict_job, polling_interval=0.02)).result()
    await batch.state(strict_job, "completed", "after")


async def test_retries_come_before_the_job_action(batch, strict_job):
    command = "/bin/sh -c 'mkdir $AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID && exit 1; exit 0'"
    task = await batch.run(strict_job, command, constraints={"maxTaskRetryCount": 1})
    assert task.execution_info.retry_count == 1
    assert (await batch.client.get_job(strict_job)).state == "active"


async def test_a_task_ended_by_the_user_leaves_the_job_alone(batch, strict_job):
    await batch.task(strict_job, "/bin/sleep 60")
    await batch.state(strict_job, "running")
    await batch.client.terminate_task(strict_job, "task")
    await batch.run(strict_job, "/bin/true", "next")
    assert (await batch.client.get_job(strict_job)).state == "active"


async def test_a_job_without_exit_actions_ignores_failures_and_refuses_actions(batch, url, job):
    await batch.run(job, "/bin/false")
    assert (await batch.client.get_job(job)).state == "active"
    task = {"id": "t", "commandLine": "x", "exitConditions": {"default": {"jobAction": "none"}}}
    answer = await send(url, "POST", f"/jobs/{job}/tasks", body=task)
    assert (answer.status, values(answer)["PropertyName"]) == (400, "exitConditions")
    task["exitConditions"] = {"default": {"dependencyAction": "satisfy"}}
    assert (await send(url, "POST", f"/jobs/{job}/tasks", body=task)).status == 201
