"""Tasks on several nodes at once (documentation: batch-mpi)."""

import asyncio
from pathlib import Path

import pytest
from azure.batch.models import MultiInstanceSettings

from tests.batch_emulator.conftest import until
from tests.batch_emulator.control_client import control
from tests.batch_emulator.signed import send, values


@pytest.fixture(scope="module")
async def cluster(batch):
    return await batch.ready_pool(3, enable_inter_node_communication=True)


def instances(number, coordination):
    return MultiInstanceSettings(number_of_instances=number, coordination_command_line=f"/bin/sh -c '{coordination}'")


async def subtasks(batch, job, **options):
    return [each.as_dict() async for each in batch.client.list_subtasks(job, "task", **options)]


async def test_every_node_coordinates_before_the_master_runs_the_command(batch, cluster):
    job = await batch.job(cluster)
    settings = instances(3, "echo ready $AZ_BATCH_IS_CURRENT_NODE_MASTER > $AZ_BATCH_TASK_SHARED_DIR/ready; echo first")
    command = "/bin/sh -c 'echo $AZ_BATCH_HOST_LIST $AZ_BATCH_NODE_LIST $AZ_BATCH_MASTER_NODE $CCP_NODES'"
    task = await batch.run(job, command, multi_instance_settings=settings)
    assert task.execution_info.result == "success"
    assert task.multi_instance_settings.number_of_instances == 3
    first, second = (await batch.output(job)).splitlines()
    assert first == "first"
    hosts, nodes, master, count, *cores = second.split()
    addresses = hosts.split(",")
    assert len(set(addresses)) == 3
    assert (nodes.split(";"), master) == (addresses, f"{addresses[0]}:6000")
    assert (count, cores) == ("3", [word for address in addresses for word in (address, "1")])
    found = await subtasks(batch, job)
    assert [each["id"] for each in found] == [1, 2]
    for each in found:
        assert (each["state"], each["previousState"], each["exitCode"], each["result"]) == (
            "completed",
            "running",
            0,
            "success",
        )
    where = {each["nodeInfo"]["nodeId"] for each in found}
    assert len(where | {task.node_info.node_id}) == 3
    path = f"{task.node_info.task_root_directory}/ready"
    for node, flag in ((task.node_info.node_id, "true"), *((node, "false") for node in where)):
        stream = await batch.client.download_node_file(cluster, node, path)
        assert b"".join([chunk async for chunk in stream]) == f"ready {flag}\n".encode()
    assert await subtasks(batch, job, select=["id"]) == [{"id": 1}, {"id": 2}]


async def test_nodes_really_reach_each_other_by_their_addresses(batch, cluster):
    job = await batch.job(cluster)
    server = (
        'import os, socket; s = socket.create_server((os.environ[\\"HOST\\"], 0)); '
        'open(\\"port\\", \\"w\\").write(str(s.getsockname()[1])); s.accept()[0].sendall(b\\"hello\\")'
    )
    coordination = (
        "if [ $AZ_BATCH_IS_CURRENT_NODE_MASTER = false ]; then "
        f'HOST=${{AZ_BATCH_HOST_LIST#*,}} python3 -c "{server}" > /dev/null 2>&1 & '
        "until test -s port; do sleep 0.02; done; "
        "cp port $AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID; fi; sleep 0"
    )
    client = (
        'import os, socket; port = int(open(os.environ[\\"PORT\\"]).read()); '
        'print(socket.create_connection((os.environ[\\"HOST\\"], port)).recv(5).decode())'
    )
    command = (
        "/bin/sh -c 'HOST=${AZ_BATCH_HOST_LIST#*,} PORT=$AZ_BATCH_NODE_ROOT_DIR/../$AZ_BATCH_JOB_ID "
        f'python3 -c "{client}"\''
    )
    await batch.run(job, command, multi_instance_settings=instances(2, coordination))
    assert await batch.output(job) == "hello\n"


async def test_a_failed_coordination_fails_the_task(batch, cluster):
    job = await batch.job(cluster)
    settings = instances(2, "$AZ_BATCH_IS_CURRENT_NODE_MASTER && sleep 60; exit 3")
    task = await batch.run(job, "/bin/echo never", multi_instance_settings=settings)
    assert (task.execution_info.exit_code, task.execution_info.failure_info.code) == (3, "FailureExitCode")
    (subtask,) = await subtasks(batch, job)
    assert (subtask["exitCode"], subtask["result"]) == (3, "failure")
    assert "never" not in await batch.output(job)


async def test_the_end_of_the_primary_ends_all_that_runs(batch, cluster, tmp_path):
    job = await batch.job(cluster)
    settings = instances(2, f"sleep 60 & echo $! > {tmp_path}/$AZ_BATCH_NODE_ID")
    await batch.task(job, "/bin/sleep 60", multi_instance_settings=settings)

    async def started():
        running = await subtasks(batch, job)
        files = await asyncio.to_thread(lambda: [file for file in tmp_path.iterdir() if file.read_text()])
        return running and len(files) == 2 and running[0]["state"] == "running"

    await until(started)
    busy = [node async for node in batch.client.list_nodes(cluster, filter="state eq 'running'")]
    assert [(node.running_tasks_count, node.running_task_slots_count) for node in busy] == [(1, 1)] * 2
    await batch.client.terminate_task(job, "task")
    (subtask,) = await subtasks(batch, job)
    assert subtask["state"] == "completed"
    for file in await asyncio.to_thread(lambda: list(tmp_path.iterdir())):
        assert not (await asyncio.to_thread(lambda file=file: _is_alive(file.read_text().strip())))


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_task_of_many_instances_waits_for_whole_nodes(batch, cluster):
    job = await batch.job(cluster)
    await batch.task(job, "/bin/sleep 60", "one")
    await batch.state(job, "running", "one")
    await batch.task(job, "/bin/true", multi_instance_settings=instances(3, "true"))
    await batch.task(job, "/bin/true", "too-many", multi_instance_settings=instances(4, "true"))
    assert (await batch.client.get_task(job, "task")).state == "active"
    await batch.client.terminate_task(job, "one")
    await batch.state(job, "completed")
    await batch.run(job, "/bin/true", "other")
    assert (await batch.client.get_task(job, "too-many")).state == "active"


async def test_without_communication_between_nodes_it_waits_for_ever_and_holds_up_nobody(batch, pool, job):
    await batch.task(job, "/bin/true", multi_instance_settings=instances(1, "true"))
    await batch.run(job, "/bin/true", "other")
    assert (await batch.client.get_task(job, "task")).state == "active"
    assert await subtasks(batch, job) == []


async def test_the_files_of_subtasks_expire_with_those_of_the_task(url, batch, cluster):
    job = await batch.job(cluster)
    await batch.run(job, "/bin/true", multi_instance_settings=instances(2, "true"))
    (subtask,) = await subtasks(batch, job)
    assert (await control(url, "POST", f"/jobs/{job}/tasks/task/expirefiles")).status == 204
    files = batch.client.list_node_files(cluster, subtask["nodeInfo"]["nodeId"], recursive=True)
    assert not [file.name async for file in files if f"{job}/job-1/task" in file.name]


async def test_a_deleted_task_takes_the_files_of_its_subtasks_with_it(batch, cluster):
    job = await batch.job(cluster)
    await batch.run(job, "/bin/true", multi_instance_settings=instances(2, "true"))
    (subtask,) = await subtasks(batch, job)
    await batch.client.delete_task(job, "task")
    files = batch.client.list_node_files(cluster, subtask["nodeInfo"]["nodeId"], recursive=True)
    assert not [file.name async for file in files if f"{job}/job-1/task" in file.name]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ({"multiInstanceSettings": {}}, "multiInstanceSettings.coordinationCommandLine"),
        ({"multiInstanceSettings": {"coordinationCommandLine": "x"}, "requiredSlots": 2}, "requiredSlots"),
        (
            {"multiInstanceSettings": {"coordinationCommandLine": "x", "numberOfInstances": 0}},
            "multiInstanceSettings.numberOfInstances",
        ),
    ],
)
async def test_bad_settings_are_refused(url, idle_job, task, name):
    answer = await send(url, "POST", f"/jobs/{idle_job}/tasks", body={"id": "t", "commandLine": "x", **task})
    assert (answer.status, values(answer)["PropertyName"]) == (400, name)
