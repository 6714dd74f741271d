from datetime import timedelta

import pytest
from azure.batch.models import BatchTask, BatchTaskConstraints
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

from tests.batch_emulator.conftest import until
from tests.batch_emulator.signed import send


async def test_replaced_constraints_are_shown_with_defaults_for_the_rest(batch, idle_job):
    """Recording `TaskUpdate`."""
    await batch.task(idle_job, "/bin/true", constraints=BatchTaskConstraints(retention_time=timedelta(hours=1)))
    before = await batch.client.get_task(idle_job, "task")
    change = BatchTask(constraints=BatchTaskConstraints(max_task_retry_count=1))
    await batch.client.replace_task(idle_job, "task", change)
    after = await batch.client.get_task(idle_job, "task")
    assert (after.constraints.max_task_retry_count, after.constraints.retention_time) == (1, timedelta(days=7))
    assert after.etag != before.etag
    assert after.command_line == before.command_line


async def test_a_replacement_answers_the_version_and_its_address(url, batch, idle_job):
    await batch.task(idle_job, "/bin/true")
    path = f"/jobs/{idle_job}/tasks/task"
    answer = await send(url, "PUT", path, body={})
    assert (answer.status, answer.headers["DataServiceId"]) == (200, f"{url}{path}")
    assert answer.headers["ETag"] == (await send(url, "GET", path)).body["eTag"]
    bad = await send(url, "PUT", path, body={"constraints": {"maxTaskRetryCount": -2}})
    assert (bad.status, bad.body["code"]) == (400, "InvalidPropertyValue")


async def test_a_shorter_retention_takes_effect_on_a_task_that_has_ended(batch, job):
    await batch.run(job, "/bin/true")
    change = BatchTask(constraints=BatchTaskConstraints(retention_time=timedelta(seconds=0.01)))
    await batch.client.replace_task(job, "task", change)

    async def refused():
        try:
            return [file.name async for file in batch.client.list_task_files(job, "task")] and None
        except ResourceExistsError as exc:
            return exc.error.code

    assert await until(refused) in {"TaskFilesCleanedup", "TaskFilesUnavailable"}


async def test_a_failed_task_runs_again_when_reactivated(batch, job):
    command = "/bin/sh -c 'mkdir $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID && exit 3; exit 0'"
    constraints = BatchTaskConstraints(max_task_retry_count=0)
    failed = await batch.run(job, command, constraints=constraints)
    assert failed.execution_info.exit_code == 3
    await batch.client.reactivate_task(job, "task")
    task = await batch.client.get_task(job, "task")
    assert task.state in {"active", "running", "completed"}

    async def info():
        return (await batch.state(job, "completed")).execution_info

    assert (await info()).retry_count == 0


async def test_reactivation_forgets_how_the_task_ended_and_keeps_its_last_state(batch, idle_job):
    """Recordings `should_reactivate_a_task` and `should_list_all_tasks` of the JavaScript client."""
    await batch.task(idle_job, "/bin/true")
    await batch.client.terminate_task(idle_job, "task")
    ended = await batch.client.get_task(idle_job, "task")
    await batch.client.reactivate_task(idle_job, "task")
    task = await batch.client.get_task(idle_job, "task")
    assert (task.state, task.previous_state) == ("active", "completed")
    assert task.previous_state_transition_time == ended.state_transition_time
    assert task.execution_info.as_dict() == {"retryCount": 0, "requeueCount": 0}
    assert task.last_modified == task.state_transition_time
    assert task.etag != ended.etag


async def test_only_failed_tasks_of_open_jobs_are_reactivated(batch, job):
    async def code():
        with pytest.raises(ResourceExistsError) as caught:
            await batch.client.reactivate_task(job, "task")
        return caught.value.error.code

    await batch.run(job, "/bin/true")
    assert await code() == "TaskSucceeded"
    await batch.client.delete_task(job, "task")
    await batch.task(job, "/bin/sleep 60")
    assert await code() == "TaskNotCompleted"
    await batch.terminate(job)
    assert await code() == "JobCompleted"


async def test_a_change_on_the_condition_of_an_old_version_is_refused(batch, idle_job):
    await batch.task(idle_job, "/bin/true")
    old = (await batch.client.get_task(idle_job, "task")).etag
    await batch.client.replace_task(idle_job, "task", BatchTask())
    condition = {"etag": old, "match_condition": MatchConditions.IfNotModified}
    for change in (
        batch.client.replace_task(idle_job, "task", BatchTask(), **condition),
        batch.client.terminate_task(idle_job, "task", **condition),
        batch.client.reactivate_task(idle_job, "task", **condition),
        batch.client.delete_task(idle_job, "task", **condition),
    ):
        with pytest.raises(ResourceModifiedError):
            await change
