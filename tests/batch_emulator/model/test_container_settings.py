import pytest
from azure.batch.models import BatchStartTask, BatchTaskContainerSettings, ContainerRegistryReference
from azure.core.exceptions import HttpResponseError

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send, values

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


IMAGE = {"imageName": "ubuntu:24.04"}
POOL = {"poolId": "no-such-pool"}


def job_with(task_kind, task, **more):
    return {"id": new_id("job"), "poolInfo": POOL, **more, task_kind: task}


def with_command(line):
    """Return a path and a body for each kind of task, all of them in a container."""
    start_task = {"commandLine": line, "containerSettings": IMAGE}
    task = {"id": "t", **start_task}
    return [
        ("/jobs", job_with("jobManagerTask", task)),
        ("/jobs", job_with("jobPreparationTask", task)),
        ("/jobs", job_with("jobReleaseTask", {**task, "id": "r"}, jobPreparationTask={"commandLine": "true"})),
        ("/pools", {"id": new_id("pool"), "vmSize": "small", "startTask": start_task}),
    ]


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("line", ["", " "])
async def test_a_container_may_run_its_own_command(url, kind, line):
    path, body = with_command(line)[kind]
    assert (await send(url, "POST", path, body=body)).status == 201


async def test_a_task_in_a_container_may_run_the_containers_own_command(url, idle_job):
    task = {"id": "t", "commandLine": "", "containerSettings": IMAGE}
    assert (await send(url, "POST", f"/jobs/{idle_job}/tasks", body=task)).status == 201
    shown = (await send(url, "GET", f"/jobs/{idle_job}/tasks/t")).body
    assert shown["commandLine"] == ""
    assert shown["containerSettings"]["imageName"] == IMAGE["imageName"]
    many = [{**task, "id": "u"}, {**task, "id": "v", "containerSettings": None}]
    answer = await send(url, "POST", f"/jobs/{idle_job}/addtaskcollection", body={"value": many})
    assert [each["status"] for each in answer.body["value"]] == ["Success", "clienterror"]


@pytest.mark.parametrize("kind", range(4))
async def test_without_a_container_a_command_is_needed(url, kind):
    path, body = with_command(" ")[kind]
    name = next(
        name for name in ("jobManagerTask", "jobReleaseTask", "jobPreparationTask", "startTask") if name in body
    )
    del body[name]["containerSettings"]
    answer = await send(url, "POST", path, body=body)
    assert (answer.status, values(answer)["PropertyName"]) == (400, f"{name}.commandLine")
    del body[name]["commandLine"]
    assert (await send(url, "POST", path, body=body)).body["code"] == "MissingRequiredProperty"


async def test_a_start_task_in_a_container_fails(batch):
    start = BatchStartTask(command_line="true", container_settings=SETTINGS, wait_for_success=True)
    pool_id = await batch.pool(1, start_task=start)

    async def failed():
        nodes = [node async for node in batch.client.list_nodes(pool_id)]
        return nodes[0] if nodes and nodes[0].state == "starttaskfailed" else None

    node = await until(failed)
    assert node.start_task_info.failure_info.code == "ContainerPoolNotSupported"
