from datetime import timedelta

import pytest
from azure.batch.models import BatchJobConstraints, BatchJobCreateOptions, BatchPoolInfo, EnvironmentSetting
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from tests.batch_emulator.conftest import new_id, pool_options, until
from tests.batch_emulator.signed import send


async def test_a_new_job_has_the_defaults_of_the_service(batch, pool):
    """Recording `TaskUpdate`."""
    job_id = await batch.job(pool)
    job = (await batch.client.get_job(job_id)).as_dict()
    expected = {
        "id": job_id,
        "state": "active",
        "priority": 0,
        "maxParallelTasks": -1,
        "usesTaskDependencies": False,
        "allowTaskPreemption": False,
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
        "poolInfo": {"poolId": pool},
        "constraints": {"maxWallClockTime": "P10675199DT2H48M5.4775807S", "maxTaskRetryCount": 0},
        "executionInfo": {"startTime": job["creationTime"], "poolId": pool},
    }
    assert {key: job[key] for key in expected} == expected


async def test_creating_answers_the_version_and_the_recorded_address(url):
    body = {"id": new_id("job"), "poolInfo": {"poolId": "p"}}
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Location"] == answer.headers["DataServiceId"] == f"{url}/jobs/job-1"
    assert answer.headers["ETag"].startswith("0x8D")


async def test_a_job_may_wait_for_its_pool(batch):
    pool_id = new_id("pool")
    job_id = await batch.job(pool_id)
    await batch.task(job_id, "/bin/true")
    assert (await batch.client.get_task(job_id, "task")).state == "active"
    await batch.client.create_pool(pool_options(pool_id.upper(), 1))
    await batch.state(job_id, "completed")


async def test_a_second_job_of_the_same_id_is_refused(batch, idle_job):
    options = BatchJobCreateOptions(id=idle_job.upper(), pool_info=BatchPoolInfo(pool_id="p"))
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.create_job(options)
    assert caught.value.error.code == "JobExists"


async def test_a_terminated_job_ends_its_running_tasks_and_keeps_the_waiting(batch):
    pool_id = await batch.ready_pool(1)
    job_id = await batch.job(pool_id)
    await batch.task(job_id, "/bin/sleep 60", "runs")
    await batch.task(job_id, "/bin/sleep 60", "waits")
    await batch.state(job_id, "running", "runs")
    await batch.terminate(job_id)
    job = await batch.client.get_job(job_id)
    assert (job.state, job.previous_state) == ("completed", "active")
    assert job.execution_info.termination_reason == "enough"
    runs = await batch.client.get_task(job_id, "runs")
    assert (runs.state, runs.execution_info.failure_info.code) == ("completed", "TaskEnded")
    assert (await batch.client.get_task(job_id, "waits")).state == "active"


async def test_terminating_is_visible_before_the_answer(url, batch):
    job_id = await batch.job("none")
    answer = await send(url, "POST", f"/jobs/{job_id}/terminate", body={"terminateReason": "enough"})
    assert answer.status == 202
    job = await batch.client.get_job(job_id)
    assert job.state in {"terminating", "completed"}
    assert job.execution_info.termination_reason == "enough"


async def test_a_job_that_has_ended_takes_no_tasks(batch, idle_job):
    await batch.terminate(idle_job)
    with pytest.raises(ResourceExistsError) as caught:
        await batch.task(idle_job, "/bin/true")
    assert caught.value.error.code == "JobCompleted"
    with pytest.raises(ResourceExistsError) as caught:
        await batch.terminate(idle_job)
    assert caught.value.error.code == "JobCompleted"


async def test_a_deleted_job_takes_its_tasks_and_files_with_it(batch, pool):
    job_id = await batch.job(pool)
    await batch.run(job_id, "/bin/true")
    await batch.task(job_id, "/bin/sleep 60", "long")
    await batch.state(job_id, "running", "long")
    poller = await batch.client.begin_delete_job(job_id, polling_interval=0.05)
    await poller.result()
    with pytest.raises(ResourceNotFoundError) as caught:
        await batch.client.get_task(job_id, "task")
    assert caught.value.error.code == "JobNotFound"


async def test_a_job_ends_with_its_last_task_when_it_says_so(batch, pool):
    job_id = new_id("job")
    # With no task at all, it is complete at once: a documented surprise.
    options = BatchJobCreateOptions(
        id=job_id, pool_info=BatchPoolInfo(pool_id=pool), all_tasks_complete_mode="terminatejob"
    )
    await batch.client.create_job(options)

    async def completed():
        job = await batch.client.get_job(job_id)
        return job if job.state == "completed" else None

    job = await until(completed)
    assert job.execution_info.termination_reason == "AllTasksComplete"
    assert job.execution_info.end_time is not None


async def test_a_job_ends_at_its_time_limit(batch, pool):
    limit = BatchJobConstraints(max_wall_clock_time=timedelta(seconds=0.3))
    job_id = await batch.job(pool, constraints=limit)
    await batch.task(job_id, "/bin/sleep 60")

    async def completed():
        job = await batch.client.get_job(job_id)
        return job if job.state == "completed" else None

    job = await until(completed)
    assert job.execution_info.termination_reason == "MaxWallClockTimeExpiry"
    assert (await batch.client.get_task(job_id, "task")).execution_info.result == "failure"


async def test_counts_count_tasks_and_slots(batch):
    pool_id = await batch.ready_pool(1, task_slots_per_node=2)
    job_id = await batch.job(pool_id)
    await batch.run(job_id, "/bin/true", "good")
    await batch.run(job_id, "/bin/false", "bad", required_slots=2)
    await batch.task(job_id, "/bin/sleep 60", "runs", required_slots=2)
    await batch.task(job_id, "/bin/true", "waits")
    await batch.state(job_id, "running", "runs")
    counts = (await batch.client.get_job_task_counts(job_id)).as_dict()
    assert counts["taskCounts"] == {"active": 1, "running": 1, "completed": 2, "succeeded": 1, "failed": 1}
    assert counts["taskSlotCounts"] == {"active": 1, "running": 2, "completed": 3, "succeeded": 1, "failed": 2}


async def test_jobs_are_listed_in_pages_that_survive_inserts(batch):
    prefix = new_id("page")
    info = BatchPoolInfo(pool_id="none")

    async def add(suffix):
        await batch.client.create_job(BatchJobCreateOptions(id=f"{prefix}-{suffix}", pool_info=info))

    for suffix in "bdf":
        await add(suffix)
    seen = []
    query = f"startswith(id,'{prefix.upper()}')"
    async for job in batch.client.list_jobs(filter=query, max_results=1):
        seen.append(job.id[-1])
        if seen == ["b"]:
            await add("a")
            await add("c")
    assert seen == ["b", "c", "d", "f"]


async def test_common_environment_settings_reach_every_task(batch, pool):
    settings = [EnvironmentSetting(name="A", value="job"), EnvironmentSetting(name="B", value="job")]
    job_id = await batch.job(pool, common_environment_settings=settings)
    own = [EnvironmentSetting(name="B", value="task")]
    await batch.run(job_id, "/bin/sh -c 'echo $A $B'", environment_settings=own)
    assert await batch.output(job_id) == "job task\n"
