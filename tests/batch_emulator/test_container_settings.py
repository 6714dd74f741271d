import pytest
from azure.batch.models import BatchStartTask, BatchTaskContainerSettings, ContainerRegistryReference
from azure.core.exceptions import HttpResponseError

from tests.batch_emulator.conftest import until

SETTINGS = BatchTaskContainerSettings(
    image_name="ubuntu:24.04",
    container_run_options="--rm",
    registry=ContainerRegistryReference(username="me", password="secret", registry_server="registry.example"),
)


async def test_a_task_that_asks_for_a_container_fails_before_it_runs(batch, job):
    task = await batch.run(job, "sh -c 'echo outside of any container'", container_settings=SETTINGS)
    assert task.execution_info.exit_code is None
    assert task.execution_info.failure_info.code == "ContainerPoolNotSupported"
    assert task.execution_info.failure_info.category == "usererror"


async def test_container_settings_are_shown_without_the_password(batch, idle_job):
    await batch.task(idle_job, "true", container_settings=SETTINGS)
    task = await batch.client.get_task(idle_job, "task")
    assert task.container_settings.as_dict() == {
        "imageName": "ubuntu:24.04",
        "containerRunOptions": "--rm",
        "workingDirectory": "taskWorkingDirectory",
        "registry": {"username": "me", "registryServer": "registry.example"},
    }


async def test_an_image_must_be_named(batch, idle_job):
    with pytest.raises(HttpResponseError) as refused:
        await batch.task(idle_job, "true", container_settings={"containerRunOptions": "--rm"})
    assert refused.value.error.code == "MissingRequiredProperty"


async def test_a_start_task_in_a_container_fails(batch):
    start = BatchStartTask(command_line="true", container_settings=SETTINGS, wait_for_success=True)
    pool_id = await batch.pool(1, start_task=start)

    async def failed():
        nodes = [node async for node in batch.client.list_nodes(pool_id)]
        return nodes[0] if nodes and nodes[0].state == "starttaskfailed" else None

    node = await until(failed)
    assert node.start_task_info.failure_info.code == "ContainerPoolNotSupported"
