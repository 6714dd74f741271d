import pytest
from azure.batch.models import (
    BatchAllTasksCompleteMode,
    BatchJob,
    BatchJobConstraints,
    BatchJobDisableOptions,
    BatchJobUpdateOptions,
    BatchMetadataItem,
    BatchPoolInfo,
)
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send, values


async def disable(batch, job_id, tasks):
    options = BatchJobDisableOptions(disable_tasks=tasks)
    await (await batch.client.begin_disable_job(job_id, options, polling_interval=0.02)).result()


async def enable(batch, job_id):
    await (await batch.client.begin_enable_job(job_id, polling_interval=0.02)).result()


async def test_a_patch_changes_what_it_names_and_nothing_else(batch, idle_job):
    before = await batch.client.get_job(idle_job)
    metadata = [BatchMetadataItem(name="a", value="b")]
    await batch.client.update_job(idle_job, BatchJobUpdateOptions(priority=900, metadata=metadata))
    after = await batch.client.get_job(idle_job)
    assert (after.priority, after.metadata[0].value) == (900, "b")
    assert after.constraints == before.constraints
    assert after.etag != before.etag
    assert after.last_modified > before.last_modified


async def test_a_put_puts_back_the_defaults_of_what_it_does_not_name(batch, url):
    """Recording `should_replace_a_job` (limits that are not named)."""
    job_id = new_id("job")
    body = {"id": job_id, "poolInfo": {"poolId": "no-pool"}, "priority": 5, "displayName": "kept"}
    await send(url, "POST", "/jobs", body=body | {"metadata": [{"name": "a", "value": "b"}]})
    job = BatchJob(pool_info=BatchPoolInfo(pool_id="no-pool"), constraints=BatchJobConstraints(max_task_retry_count=3))
    await batch.client.replace_job(job_id, job)
    replaced = await batch.client.get_job(job_id)
    assert (replaced.priority, replaced.metadata, replaced.display_name) == (0, None, "kept")
    assert replaced.constraints.max_task_retry_count == 3


async def test_a_change_answers_the_new_version_and_its_own_address(url, idle_job):
    for method, path, body in (
        ("PATCH", "", {"priority": 1}),
        ("POST", "/disable", {"disableTasks": "wait"}),
        ("POST", "/terminate", None),
    ):
        answer = await send(url, method, f"/jobs/{idle_job}{path}", body=body)
        assert answer.headers["DataServiceId"] == f"{url}/jobs/{idle_job}{path}"
        job = (await send(url, "GET", f"/jobs/{idle_job}")).body
        assert answer.headers["ETag"] == job["eTag"]


@pytest.mark.parametrize(
    ("method", "body", "name"),
    [
        ("PATCH", {"priority": 1001}, "priority"),
        ("PATCH", {"maxParallelTasks": 0}, "maxParallelTasks"),
        ("PUT", {"priority": 1}, "poolInfo"),
        ("PATCH", {"onAllTasksComplete": "noaction"}, "onAllTasksComplete"),
        ("PUT", {"poolInfo": {"poolId": "no-such-pool"}}, "onAllTasksComplete"),
        ("POST", {"disableTasks": "perhaps"}, "disableTasks"),
        ("POST", {}, "disableTasks"),
    ],
)
async def test_a_bad_change_is_refused_with_the_property(batch, url, idle_job, method, body, name):
    await batch.task(idle_job, "/bin/true")
    await send(url, "PATCH", f"/jobs/{idle_job}", body={"onAllTasksComplete": "terminatejob"})
    answer = await send(url, method, f"/jobs/{idle_job}{'/disable' * (method == 'POST')}", body=body)
    assert (answer.status, values(answer)["PropertyName"]) == (400, name)


async def test_the_pool_changes_only_while_the_job_is_disabled(batch, pool, idle_job):
    await batch.task(idle_job, "/bin/true")
    other = BatchJobUpdateOptions(pool_info=BatchPoolInfo(pool_id=pool))
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.update_job(idle_job, other)
    assert caught.value.error.code == "OperationInvalidForCurrentState"
    await disable(batch, idle_job, "requeue")
    await batch.client.update_job(idle_job, other)
    await enable(batch, idle_job)
    await batch.state(idle_job, "completed")
    assert (await batch.client.get_job(idle_job)).execution_info.pool_id == pool


async def test_a_changed_priority_decides_who_goes_first(batch):
    pool = await batch.ready_pool(1)
    blocker, first, second = [await batch.job(pool) for _ in range(3)]
    await batch.task(blocker, "/bin/sleep 60")
    await batch.state(blocker, "running")
    for job in (first, second):
        await batch.task(job, "/bin/true")
    await batch.client.update_job(second, BatchJobUpdateOptions(priority=1))
    await batch.client.terminate_task(blocker, "task")
    late = await batch.state(first, "completed")
    soon = await batch.state(second, "completed")
    assert soon.execution_info.start_time < late.execution_info.start_time


async def test_more_parallel_tasks_start_at_once(batch, pool):
    job = await batch.job(pool, max_parallel_tasks=1)
    for name in ("a", "b"):
        await batch.task(job, "/bin/sleep 60", name)
    await batch.state(job, "running", "a")
    await batch.client.update_job(job, BatchJobUpdateOptions(max_parallel_tasks=2))
    assert (await batch.state(job, "running", "b")).state == "running"
    await batch.terminate(job)


@pytest.mark.parametrize("with_task", [True, False])
async def test_automatic_termination_can_be_asked_for_later(batch, pool, with_task):
    job = await batch.job(pool)
    if with_task:
        await batch.task(job, "/bin/sleep 0.2")
    mode = BatchAllTasksCompleteMode.TERMINATE_JOB
    await batch.client.update_job(job, BatchJobUpdateOptions(all_tasks_complete_mode=mode))

    async def completed():
        found = await batch.client.get_job(job)
        return found if found.state == "completed" else None

    assert (await until(completed)).execution_info.termination_reason == "AllTasksComplete"


async def test_a_disabled_job_requeues_its_tasks_and_runs_them_when_enabled(batch, pool, job):
    await batch.task(job, "/bin/sh -c 'test -e $AZ_BATCH_NODE_SHARED_DIR/go || sleep 60'")
    await batch.state(job, "running")
    await disable(batch, job, "requeue")
    found = await batch.client.get_job(job)
    assert (found.state, found.previous_state) == ("disabled", "active")
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.requeue_count) == ("active", 1)
    other = await batch.job(pool, max_parallel_tasks=1)
    nodes = [node.affinity_id async for node in batch.client.list_nodes(pool)]
    for number, affinity in enumerate(nodes):
        touch = "/bin/sh -c 'touch $AZ_BATCH_NODE_SHARED_DIR/go'"
        await batch.run(other, touch, f"t{number}", affinity_info={"affinityId": affinity})
    assert (await batch.client.get_task(job, "task")).state == "active"
    await enable(batch, job)
    await batch.state(job, "completed")
    found = await batch.client.get_job(job)
    assert (found.state, found.previous_state) == ("active", "disabled")


async def test_a_disabled_job_may_end_its_running_tasks(batch, job):
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    await disable(batch, job, "terminate")
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.failure_info.code) == ("completed", "TaskEnded")


async def test_a_disabled_job_may_wait_for_its_running_tasks(batch, url, job):
    await batch.task(job, "/bin/sh -c 'until test -e $AZ_BATCH_NODE_SHARED_DIR/end; do sleep 0.02; done'")
    await batch.state(job, "running")
    answer = await send(url, "POST", f"/jobs/{job}/disable", body={"disableTasks": "wait"})
    assert answer.status == 202
    await batch.task(job, "/bin/true", "late")
    assert (await batch.client.get_job(job)).state == "disabling"
    # Disabling once more, with another option, is allowed.
    await disable(batch, job, "requeue")
    assert (await batch.client.get_task(job, "late")).state == "active"
    assert (await batch.client.get_job(job)).state == "disabled"


async def test_a_disabled_job_is_terminated_like_an_active_one(batch, job):
    await disable(batch, job, "wait")
    await batch.terminate(job)
    for change in (disable(batch, job, "wait"), enable(batch, job)):
        with pytest.raises(ResourceExistsError) as caught:
            await change
        assert caught.value.error.code == "JobCompleted"


async def test_an_active_job_cannot_be_enabled(batch, idle_job):
    with pytest.raises(ResourceExistsError) as caught:
        await enable(batch, idle_job)
    assert caught.value.error.code == "OperationInvalidForCurrentState"


async def test_a_change_on_the_condition_of_an_old_version_is_refused(batch, idle_job):
    old = (await batch.client.get_job(idle_job)).etag
    await batch.client.update_job(idle_job, BatchJobUpdateOptions(priority=1))
    condition = {"etag": old, "match_condition": MatchConditions.IfNotModified}
    for change in (
        batch.client.update_job(idle_job, BatchJobUpdateOptions(priority=2), **condition),
        batch.client.replace_job(idle_job, BatchJob(pool_info=BatchPoolInfo(pool_id="x")), **condition),
        batch.client.begin_disable_job(idle_job, BatchJobDisableOptions(disable_tasks="wait"), **condition),
        batch.client.begin_enable_job(idle_job, **condition),
        batch.client.begin_delete_job(idle_job, **condition),
    ):
        with pytest.raises(HttpResponseError) as caught:
            await change
        assert isinstance(caught.value, ResourceModifiedError)
    assert (await batch.client.get_job(idle_job)).priority == 1
