"""Nodes that are stopped, started and kept from taking tasks."""

import pytest
from azure.batch.models import BatchNodeDisableSchedulingOptions, BatchStartTask

from tests.batch_emulator.conftest import until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, refusal
from tests.batch_emulator.signed import send

# Without options the client of 15.1.0 fails before it sends anything.
_REQUEUE = BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")


async def one_node(batch, **options):
    pool = await batch.ready_pool(1, **options)
    (node,) = await nodes_of(batch, pool)
    return pool, node.id


async def in_state(batch, pool, node, state):
    async def look():
        return (await batch.client.get_node(pool, node)).state == state

    await until(look)


async def busy(batch, **options):
    pool, node = await one_node(batch, **options)
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    return pool, node, job


@pytest.mark.parametrize(
    ("operation", "state", "keeps_files"), [("reboot", "rebooting", True), ("reimage", "reimaging", False)]
)
async def test_a_restarted_node_runs_its_start_task_again(url, batch, operation, state, keeps_files):
    start = BatchStartTask(
        command_line="/bin/sh -c 'echo again >> $AZ_BATCH_NODE_SHARED_DIR/starts'", wait_for_success=True
    )
    pool, node = await one_node(batch, start_task=start)
    before = await batch.client.get_node(pool, node)
    assert (await send(url, "POST", f"/pools/{pool}/nodes/{node}/{operation}")).status == 202
    assert (await batch.client.get_node(pool, node)).state == state
    await in_state(batch, pool, node, "idle")
    after = await batch.client.get_node(pool, node)
    assert after.last_boot_time > before.last_boot_time
    assert after.start_task_info.start_time > before.start_task_info.start_time
    job = await batch.job(pool)
    await batch.run(job, "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/starts'")
    assert await batch.output(job) == "again\n" * (2 if keeps_files else 1)


@pytest.mark.parametrize(
    ("option", "state", "result"), [("requeue", "running", None), ("terminate", "completed", "failure")]
)
async def test_a_reboot_requeues_or_ends_running_tasks(batch, option, state, result):
    pool, node, job = await busy(batch)
    options = {"nodeRebootOption": option}
    poller = await batch.client.begin_reboot_node(pool, node, options, polling_interval=0.05)
    await poller.result()
    task = await batch.state(job, state)
    assert task.execution_info.result == result
    assert task.execution_info.requeue_count == (1 if option == "requeue" else 0)


async def test_a_reimaging_can_wait_for_tasks(batch, tmp_path):
    pool, node = await one_node(batch)
    job = await batch.job(pool)
    await batch.task(job, f"/bin/sh -c 'while ! test -e {tmp_path}/go; do sleep 0.05; done'")
    await batch.state(job, "running")
    options = {"nodeReimageOption": "taskcompletion"}
    poller = await batch.client.begin_reimage_node(pool, node, options, polling_interval=0.05)
    assert (await batch.client.get_task(job, "task")).state == "running"
    (tmp_path / "go").touch()
    await poller.result()
    task = await batch.state(job, "completed")
    assert task.execution_info.result == "success"


async def test_a_deallocated_node_runs_nothing_until_it_is_started(url, batch):
    pool, node, job = await busy(batch)
    poller = await batch.client.begin_deallocate_node(
        pool, node, {"nodeDeallocateOption": "requeue"}, polling_interval=0.05
    )
    await poller.result()
    assert (await batch.client.get_node(pool, node)).state == "deallocated"
    assert (await batch.client.get_task(job, "task")).state == "active"
    reboot = await send(url, "POST", f"/pools/{pool}/nodes/{node}/reboot")
    assert (reboot.status, reboot.body["code"]) == (409, "OperationInvalidForCurrentState")
    poller = await batch.client.begin_start_node(pool, node, polling_interval=0.05)
    await poller.result()
    await batch.state(job, "running")


async def test_only_deallocated_nodes_can_be_started(batch):
    pool, node = await one_node(batch)
    start = batch.client.begin_start_node(pool, node)
    assert await refusal(start) == (409, "OperationInvalidForCurrentState")


async def test_a_node_that_is_rebooting_is_left_alone(url, batch):
    pool, node = await one_node(batch)
    await send(url, "POST", f"/pools/{pool}/nodes/{node}/reboot")
    for operation in ("reboot", "reimage", "deallocate"):
        answer = await send(url, "POST", f"/pools/{pool}/nodes/{node}/{operation}")
        assert (answer.status, answer.body["code"]) == (409, "NodeBeingRebooted")


@pytest.mark.parametrize(
    ("option", "node_state", "task_state"),
    [
        ("requeue", "offline", "active"),
        ("terminate", "offline", "completed"),
        ("taskcompletion", "running", "running"),
    ],
)
async def test_a_node_can_be_kept_from_taking_tasks(batch, option, node_state, task_state):
    pool, node, job = await busy(batch)
    options = BatchNodeDisableSchedulingOptions(node_disable_scheduling_option=option)
    await batch.client.disable_node_scheduling(pool, node, options)
    seen = await batch.client.get_node(pool, node)
    assert (seen.state, seen.scheduling_state) == (node_state, "disabled")
    assert (await batch.client.get_task(job, "task")).state == task_state
    if task_state == "running":
        await batch.client.terminate_task(job, "task")
    await in_state(batch, pool, node, "offline")
    await batch.task(job, "/bin/true", "waiting")
    assert (await batch.client.get_task(job, "waiting")).state == "active"
    await batch.client.enable_node_scheduling(pool, node)
    assert (await batch.client.get_node(pool, node)).scheduling_state == "enabled"
    if option == "requeue":
        await batch.client.terminate_task(job, "task")
    await batch.state(job, "completed", "waiting")


async def test_a_disabled_node_stays_so_over_a_reboot(batch):
    pool, node = await one_node(batch)
    await batch.client.disable_node_scheduling(pool, node, _REQUEUE)
    assert (await batch.client.get_node(pool, node)).state == "offline"
    poller = await batch.client.begin_reboot_node(pool, node, {"nodeRebootOption": "requeue"}, polling_interval=0.05)
    await poller.result()
    await in_state(batch, pool, node, "offline")


async def test_scheduling_is_switched_only_to_the_other_side(batch):
    pool, node = await one_node(batch)
    expected = (409, "NodeAlreadyInTargetSchedulingState")
    assert await refusal(batch.client.enable_node_scheduling(pool, node)) == expected
    await batch.client.disable_node_scheduling(pool, node, _REQUEUE)
    assert await refusal(batch.client.disable_node_scheduling(pool, node, _REQUEUE)) == expected


async def test_a_node_shows_its_recent_tasks(batch):
    pool, node = await one_node(batch)
    assert (await batch.client.get_node(pool, node)).recent_tasks is None
    job = await batch.job(pool)
    await batch.run(job, "/bin/false", "first")
    await batch.run(job, "/bin/true", "second")
    recent = (await batch.client.get_node(pool, node)).recent_tasks
    assert [(task.task_id, task.job_id, task.task_state) for task in recent] == [
        ("second", job, "completed"),
        ("first", job, "completed"),
    ]
    assert recent[1].execution_info.exit_code == 1
    await batch.client.delete_task(job, "first")
    recent = (await batch.client.get_node(pool, node)).recent_tasks
    assert [task.task_id for task in recent] == ["second"]
