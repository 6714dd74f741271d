import pytest
from azure.batch.models import BatchJobManagerTask, BatchJobPreparationTask

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send


def manager(command="/bin/true", **options):
    return BatchJobManagerTask(id="Manager", command_line=command, **options)


async def in_state(batch, job, state):
    async def look():
        found = await batch.client.get_job(job)
        return found if found.state == state else None

    return await until(look)


async def test_a_job_manager_is_the_first_task_and_ends_the_job(batch, pool):
    job = await batch.job(pool, job_manager_task=manager("/bin/sleep 0.2", display_name="boss"))
    await batch.task(job, "/bin/sleep 60", "other")
    task = await batch.client.get_task(job, "manager")
    assert (task.id, task.display_name, task.required_slots) == ("Manager", "boss", 1)
    found = await in_state(batch, job, "completed")
    assert found.execution_info.termination_reason == "JMComplete"
    assert found.job_manager_task.kill_job_on_completion
    assert found.job_manager_task.run_exclusive
    assert found.job_manager_task.allow_low_priority_node
    other = await batch.client.get_task(job, "other")
    assert other.state == "active" or other.execution_info.failure_info.code == "TaskEnded"


async def test_a_job_may_outlive_its_manager(batch, pool):
    job = await batch.job(pool, job_manager_task=manager(kill_job_on_completion=False))
    await batch.state(job, "completed", "manager")
    await batch.run(job, "/bin/true", "later")
    assert (await batch.client.get_job(job)).state == "active"


@pytest.mark.parametrize("waits", [True, False])
async def test_ending_the_manager_ends_the_job(batch, pool, waits):
    job = await batch.job("no-such-pool" if waits else pool, job_manager_task=manager("/bin/sleep 60"))
    await batch.state(job, "active" if waits else "running", "manager")
    await batch.client.terminate_task(job, "manager")
    assert (await in_state(batch, job, "completed")).execution_info.termination_reason == "JMComplete"


async def test_an_exclusive_manager_has_a_node_to_itself(batch):
    pool = await batch.ready_pool(1, task_slots_per_node=2)
    job = await batch.job(pool, job_manager_task=manager("/bin/sleep 60"))
    await batch.state(job, "running", "manager")
    other = await batch.job(pool)
    await batch.task(other, "/bin/true")
    sharing = await batch.job(pool, job_manager_task=manager("/bin/sleep 60", run_exclusive=False))
    assert (await batch.client.get_task(other, "task")).state == "active"
    await batch.terminate(job)
    await batch.state(sharing, "running", "manager")
    await batch.state(other, "completed")
    await batch.terminate(sharing)


async def test_a_manager_may_shun_spot_nodes_and_others_do_not_wait_for_it(batch):
    pool = await batch.pool(0, target_low_priority_nodes=1)
    job = await batch.job(pool, job_manager_task=manager(allow_low_priority_node=False))
    await batch.run(job, "/bin/true")
    assert (await batch.client.get_task(job, "manager")).state == "active"


async def test_a_task_that_asks_for_a_token_gets_one(batch, url, job):
    body = {
        "id": "task",
        "commandLine": "/bin/sh -c 'echo ${#AZ_BATCH_AUTHENTICATION_TOKEN}'",
        "authenticationTokenSettings": {"access": ["job"]},
    }
    assert (await send(url, "POST", f"/jobs/{job}/tasks", body=body)).status == 201

    async def completed():
        return (await batch.client.get_task(job, "task", select=["state"])).state == "completed"

    await until(completed)
    assert int(await batch.output(job)) > 20


async def test_a_manager_cannot_be_the_preparation_task(batch, url):
    body = {
        "id": new_id("job"),
        "poolInfo": {"poolId": "p"},
        "jobPreparationTask": BatchJobPreparationTask(id="boss", command_line="x").as_dict(),
        "jobManagerTask": {"id": "BOSS", "commandLine": "x"},
    }
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body["code"]) == (409, "TaskIdSameAsJobPreparationTask")
