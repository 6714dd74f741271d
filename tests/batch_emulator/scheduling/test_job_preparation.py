import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch.models import (
    BatchJobPreparationTask,
    BatchJobReleaseTask,
    BatchTaskConstraints,
    EnvironmentSetting,
)
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from tests.batch_emulator.conftest import until
from tests.batch_emulator.signed import send, values


def prepare(script, **options):
    return BatchJobPreparationTask(command_line=f"/bin/sh -c '{script}'", **options)


def release(script, **options):
    return BatchJobReleaseTask(command_line=f"/bin/sh -c '{script}'", **options)


async def statuses(batch, job, **options):
    listed = batch.client.list_job_preparation_and_release_task_status(job, **options)
    return [status.as_dict() async for status in listed]


async def reboot(batch, pool, node):
    # Without options the client of 15.1.0 fails before it sends anything.
    options = {"nodeRebootOption": "requeue"}
    await (await batch.client.begin_reboot_node(pool, node, options, polling_interval=0.05)).result()


async def completed(batch, job):
    async def look():
        return (await batch.client.get_job(job)).state == "completed"

    await until(look)


@pytest.fixture(scope="module")
async def one_node(batch):
    return await batch.ready_pool(1, task_slots_per_node=2)


async def test_the_defaults_are_those_recorded(batch):
    """`TerminateJob`."""
    job = await batch.job("no-pool", job_preparation_task=prepare("true"), job_release_task=release("true"))
    found = (await batch.client.get_job(job)).as_dict()
    user = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}
    assert found["jobPreparationTask"] == {
        "id": "jobpreparation",
        "commandLine": "/bin/sh -c 'true'",
        "constraints": {
            "maxWallClockTime": "P10675199DT2H48M5.4775807S",
            "retentionTime": "P7D",
            "maxTaskRetryCount": 0,
        },
        "userIdentity": user,
        "waitForSuccess": True,
        "rerunOnNodeRebootAfterSuccess": True,
    }
    assert found["jobReleaseTask"] == {
        "id": "jobrelease",
        "commandLine": "/bin/sh -c 'true'",
        "maxWallClockTime": "PT15M",
        "retentionTime": "P7D",
        "userIdentity": user,
    }
    assert await statuses(batch, job) == []


async def test_preparation_runs_once_before_the_tasks_and_release_after_the_job(batch, one_node, tmp_path):
    setting = [EnvironmentSetting(name="COMMON", value="yes")]
    job = await batch.job(
        one_node,
        job_preparation_task=prepare(
            f"until test -e {tmp_path}/go; do sleep 0.02; done; "
            "echo $AZ_BATCH_TASK_ID $COMMON > made; env | grep JOB_PREP; true"
        ),
        job_release_task=release("cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made"),
        common_environment_settings=setting,
    )
    for number in range(3):
        await batch.task(job, "/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_DIR/wd/made'", f"t{number}")
    preparing = await batch.state(job, "preparing", "t0")
    assert (preparing.previous_state, preparing.execution_info.start_time) == ("active", None)
    assert (await batch.client.get_job_task_counts(job)).task_counts.running == 2
    (tmp_path / "go").touch()
    for number in range(3):
        task = await batch.state(job, "completed", f"t{number}")
        assert await batch.output(job, task.id) == "jobpreparation yes\n"
    await batch.terminate(job)
    (status,) = await statuses(batch, job)
    node = status["nodeId"]
    for kind, name, retries, output in (
        ("Preparation", "jobpreparation", 0, b""),
        ("Release", "jobrelease", None, b"jobpreparation yes\n"),
    ):
        info = status[f"job{kind}TaskExecutionInfo"]
        assert (info["state"], info["result"], info.get("retryCount")) == ("completed", "success", retries)
        root = f"workitems/{job}/job-1/{name}"
        assert info["taskRootDirectory"] == root
        stream = await batch.client.download_node_file(one_node, node, f"{root}/stdout.txt")
        assert b"".join([chunk async for chunk in stream]) == output


async def test_a_failed_preparation_keeps_the_tasks_from_the_node_and_not_those_of_others(batch):
    pool = await batch.ready_pool(2)
    script = "mkdir $AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID || exit 0; exit 9"
    job = await batch.job(pool, job_preparation_task=prepare(script))
    for number in range(4):
        await batch.task(job, "/bin/true", f"t{number}")
    tasks = [await batch.state(job, "completed", f"t{number}") for number in range(4)]
    (bad,) = await statuses(batch, job, filter="jobPreparationTaskExecutionInfo/result eq 'failure'")
    (good,) = await statuses(batch, job, filter="jobPreparationTaskExecutionInfo/exitCode eq 0")
    assert {task.node_info.node_id for task in tasks} == {good["nodeId"]}
    info = bad["jobPreparationTaskExecutionInfo"]
    assert (info["exitCode"], info["failureInfo"]["code"]) == (9, "FailureExitCode")
    other = await batch.job(pool)
    await batch.run(other, "/bin/true", affinity_info={"affinityId": f"TVM:{bad['nodeId']}"})


async def test_a_preparation_is_retried_as_it_says(batch, one_node):
    script = "mkdir $AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID && exit 1; exit 0"
    constraints = BatchTaskConstraints(max_task_retry_count=1)
    job = await batch.job(one_node, job_preparation_task=prepare(script, constraints=constraints))
    task = await batch.run(job, "/bin/true")
    assert task.execution_info.retry_count == 0
    (status,) = await statuses(batch, job, select=["jobPreparationTaskExecutionInfo"])
    assert list(status) == ["jobPreparationTaskExecutionInfo"]
    assert status["jobPreparationTaskExecutionInfo"]["retryCount"] == 1
    assert "lastRetryTime" in status["jobPreparationTaskExecutionInfo"]


async def test_tasks_need_not_wait_for_a_preparation(batch, one_node):
    job = await batch.job(one_node, job_preparation_task=prepare("sleep 60; exit 1", wait_for_success=False))
    await batch.run(job, "/bin/true")
    (status,) = await statuses(batch, job)
    assert status["jobPreparationTaskExecutionInfo"]["state"] == "running"
    await batch.terminate(job)
    assert await statuses(batch, job) == []


async def test_a_task_that_waits_for_a_preparation_can_be_ended(batch, one_node):
    job = await batch.job(one_node, job_preparation_task=prepare("sleep 60"))
    await batch.task(job, "/bin/true")
    await batch.state(job, "preparing")
    await batch.client.terminate_task(job, "task")
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.previous_state, task.execution_info.failure_info.code) == (
        "completed",
        "preparing",
        "TaskEnded",
    )
    await batch.client.begin_delete_job(job, polling_interval=0.05)


@pytest.mark.parametrize(("rerun", "times"), [(True, 2), (False, 1)])
async def test_a_rebooted_node_is_prepared_again_if_the_job_says_so(batch, rerun, times):
    pool = await batch.ready_pool(1)
    script = "echo x >> $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID"
    task = prepare(script, rerun_on_node_reboot_after_success=rerun)
    job = await batch.job(pool, job_preparation_task=task)
    done = await batch.run(job, "/bin/true", "before")
    await reboot(batch, pool, done.node_info.node_id)
    await batch.run(job, "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID'", "after")
    assert await batch.output(job, "after") == "x\n" * times


async def test_a_node_that_reboots_while_it_is_prepared_is_prepared_again(batch, tmp_path):
    pool, marker = await batch.ready_pool(1), tmp_path / "marker"
    script = f"mkdir {marker} && sleep 60; exit 0"
    job = await batch.job(pool, job_preparation_task=prepare(script))
    await batch.task(job, "/bin/true")
    node = (await batch.state(job, "preparing")).node_info.node_id
    await until(lambda: asyncio.to_thread(marker.exists))
    await reboot(batch, pool, node)
    assert (await batch.state(job, "completed")).execution_info.exit_code == 0


async def test_a_job_is_not_over_before_its_release_tasks_unless_forced(batch, url, one_node):
    wait = "until test -e $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID; do sleep 0.02; done"
    options = {"job_preparation_task": prepare("true"), "job_release_task": release(wait)}
    job = await batch.job(one_node, **options)
    await batch.run(job, "/bin/true")
    await send(url, "POST", f"/jobs/{job}/terminate")
    filter_running = "jobReleaseTaskExecutionInfo/state eq 'running'"
    (status,) = await until(lambda: statuses(batch, job, filter=filter_running))
    assert (await batch.client.get_job(job)).state == "terminating"
    other = await batch.job(one_node)
    touch = f"/bin/sh -c 'touch $AZ_BATCH_NODE_SHARED_DIR/{job}'"
    await batch.run(other, touch)
    await completed(batch, job)
    assert status["poolId"] == one_node
    hasty = await batch.job(one_node, **options)
    await batch.run(hasty, "/bin/true")
    await send(url, "POST", f"/jobs/{hasty}/terminate", {"force": "true"})
    await completed(batch, hasty)
    # Deleting it ends the release task that still runs.
    await send(url, "DELETE", f"/jobs/{hasty}", {"force": "true"})
    await until(lambda: _is_gone(batch, hasty))


async def _is_gone(batch, job):
    try:
        await batch.client.get_job(job)
    except ResourceNotFoundError:
        return True
    return False


async def test_deleting_an_active_job_releases_its_nodes(batch, one_node, tmp_path):
    script = f"echo released > {tmp_path}/$AZ_BATCH_JOB_ID"
    job = await batch.job(one_node, job_preparation_task=prepare("true"), job_release_task=release(script))
    await batch.run(job, "/bin/true")
    await (await batch.client.begin_delete_job(job, polling_interval=0.02)).result()
    assert await asyncio.to_thread(Path(tmp_path / job).read_text) == "released\n"


async def test_a_release_task_has_its_time_limit(batch, one_node):
    task = release("sleep 60", max_wall_clock_time=timedelta(seconds=0.2))
    job = await batch.job(one_node, job_preparation_task=prepare("true"), job_release_task=task)
    await batch.run(job, "/bin/true")
    await batch.terminate(job)
    (status,) = await statuses(batch, job)
    assert status["jobReleaseTaskExecutionInfo"]["failureInfo"]["code"] == "TaskEnded"


async def test_a_job_without_such_tasks_has_no_status(batch, idle_job):
    with pytest.raises(ResourceExistsError) as caught:
        await statuses(batch, idle_job)
    assert caught.value.error.code == "JobPreparationTaskOrReleaseTaskNotSpecified"


@pytest.mark.parametrize(("task_id", "what"), [("JobPreparation", "Preparation"), ("jobrelease", "Release")])
async def test_no_task_has_the_id_of_a_task_of_the_jobs_own(batch, task_id, what):
    job = await batch.job("no-pool", job_preparation_task=prepare("true"), job_release_task=release("true"))
    with pytest.raises(ResourceExistsError) as caught:
        await batch.task(job, "/bin/true", task_id)
    assert caught.value.error.code == f"TaskIdSameAsJob{what}Task"


@pytest.mark.parametrize(
    ("tasks", "name"),
    [
        ({"jobReleaseTask": {"commandLine": "x"}}, "jobReleaseTask"),
        ({"jobPreparationTask": {}}, "jobPreparationTask.commandLine"),
        (
            {
                "jobPreparationTask": {"commandLine": "x"},
                "jobReleaseTask": {"commandLine": "x", "maxWallClockTime": "PT16M"},
            },
            "jobReleaseTask.maxWallClockTime",
        ),
    ],
)
async def test_bad_tasks_of_the_jobs_own_are_refused(url, tasks, name):
    answer = await send(url, "POST", "/jobs", body={"id": "x", "poolInfo": {"poolId": "p"}, **tasks})
    assert (answer.status, values(answer)["PropertyName"]) == (400, name)
