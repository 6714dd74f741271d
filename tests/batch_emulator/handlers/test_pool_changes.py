"""Changes of pools: their properties and their size."""

from datetime import timedelta

import pytest
from azure.batch.models import (
    BatchMetadataItem,
    BatchNodeDeallocationOption,
    BatchNodeRemoveOptions,
    BatchPoolReplaceOptions,
    BatchPoolResizeOptions,
    BatchPoolUpdateOptions,
    BatchStartTask,
    BatchTaskConstraints,
    UserAccount,
    VMExtension,
)
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError

from tests.batch_emulator.conftest import new_id, pool_options, until
from tests.batch_emulator.signed import send, values


async def nodes_of(batch, pool):
    return [node async for node in batch.client.list_nodes(pool)]


async def refusal(awaitable):
    with pytest.raises(HttpResponseError) as caught:
        await awaitable
    return caught.value.status_code, caught.value.error.code


async def resize(batch, pool, **options):
    poller = await batch.client.begin_resize_pool(pool, BatchPoolResizeOptions(**options), polling_interval=0.05)
    await poller.result()


async def steady(batch, pool):
    async def look():
        return (await batch.client.get_pool(pool)).allocation_state == "steady"

    await until(look)


async def test_a_patch_changes_what_it_names(batch):
    start = BatchStartTask(command_line="/bin/true")
    pool = await batch.pool(0, start_task=start, metadata=[BatchMetadataItem(name="a", value="1")])
    before = await batch.client.get_pool(pool)
    changes = BatchPoolUpdateOptions(metadata=[BatchMetadataItem(name="b", value="2")], task_slots_per_node=3)
    await batch.client.update_pool(pool, changes)
    after = await batch.client.get_pool(pool)
    assert [(item.name, item.value) for item in after.metadata] == [("b", "2")]
    assert (after.start_task.command_line, after.task_slots_per_node) == ("/bin/true", 3)
    assert after.etag != before.etag


async def test_a_replacement_takes_away_what_it_does_not_name(batch):
    start = BatchStartTask(command_line="/bin/true")
    pool = await batch.pool(0, start_task=start, metadata=[BatchMetadataItem(name="a", value="1")])
    await batch.client.replace_pool_properties(
        pool, BatchPoolReplaceOptions(application_package_references=[], metadata=[])
    )
    after = await batch.client.get_pool(pool)
    assert (after.start_task, after.metadata) == (None, None)


async def test_some_properties_change_only_while_a_pool_is_empty(batch):
    pool = await batch.ready_pool(1)
    change = batch.client.update_pool(pool, BatchPoolUpdateOptions(vm_size="standard_d4s_v3"))
    assert await refusal(change) == (409, "OperationInvalidForCurrentState")
    await batch.client.update_pool(pool, BatchPoolUpdateOptions(vm_size="standard_d2s_v3"))
    await resize(batch, pool, target_dedicated_nodes=0)
    await batch.client.update_pool(pool, BatchPoolUpdateOptions(vm_size="standard_d4s_v3"))
    assert (await batch.client.get_pool(pool)).vm_size == "standard_d4s_v3"


async def test_changes_keep_the_conditions_of_the_request(batch):
    pool = await batch.pool(0)
    stale = {"etag": "0x0", "match_condition": MatchConditions.IfNotModified}
    for change in (
        batch.client.update_pool(pool, BatchPoolUpdateOptions(display_name="x"), **stale),
        batch.client.begin_resize_pool(pool, BatchPoolResizeOptions(target_dedicated_nodes=1), **stale),
        batch.client.begin_stop_pool_resize(pool, **stale),
        batch.client.begin_remove_nodes(pool, BatchNodeRemoveOptions(node_ids=["x"]), **stale),
    ):
        assert await refusal(change) == (412, "ConditionNotMet")


async def test_secrets_of_a_pool_are_not_kept(batch):
    extension = VMExtension(name="e", publisher="p", type="t", protected_settings={"key": "very secret"})
    options = pool_options(new_id("pool"), 0, user_accounts=[UserAccount(name="u", password="very secret")])
    options.virtual_machine_configuration.extensions = [extension]
    await batch.client.create_pool(options)
    assert "very secret" not in str((await batch.client.get_pool(options.id)).as_dict())


async def test_a_pool_grows_and_shrinks_to_its_targets(url, batch, held):
    pool = await batch.ready_pool(1)
    let_pass = held("allocation._SEARCH")
    answer = await send(url, "POST", f"/pools/{pool}/resize", body={"targetDedicatedNodes": 2})
    assert answer.status == 202
    seen = await batch.client.get_pool(pool)
    assert (seen.allocation_state, seen.target_dedicated_nodes, seen.resize_errors) == ("resizing", 2, None)
    again = await send(url, "POST", f"/pools/{pool}/resize", body={"targetDedicatedNodes": 3})
    assert (again.status, again.body["code"]) == (409, "PoolBeingResized")
    let_pass()
    await steady(batch, pool)
    await resize(batch, pool, target_dedicated_nodes=1, target_low_priority_nodes=2)
    assert sorted(node.is_dedicated for node in await nodes_of(batch, pool)) == [False, False, True]
    after = await batch.client.get_pool(pool)
    assert (after.current_dedicated_nodes, after.current_low_priority_nodes) == (1, 2)


async def test_a_shrinking_pool_gives_up_idle_nodes_first(batch):
    pool = await batch.ready_pool(3)
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    task = await batch.state(job, "running")
    await resize(batch, pool, target_dedicated_nodes=1)
    assert [node.id for node in await nodes_of(batch, pool)] == [task.node_info.node_id]


@pytest.mark.parametrize(
    ("option", "state", "result"), [("requeue", "active", None), ("terminate", "completed", "failure")]
)
async def test_the_tasks_of_leaving_nodes_are_requeued_or_ended(batch, option, state, result):
    pool = await batch.ready_pool(1)
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    await resize(batch, pool, target_dedicated_nodes=0, node_deallocation_option=option)
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.result) == (state, result)


@pytest.mark.parametrize("option", ["taskcompletion", "retaineddata"])
async def test_leaving_nodes_wait_for_their_tasks(batch, tmp_path, option):
    pool = await batch.ready_pool(1)
    job = await batch.job(pool)
    constraints = BatchTaskConstraints(retention_time=timedelta(seconds=1))
    command = f"/bin/sh -c 'while ! test -e {tmp_path}/go; do sleep 0.05; done'"
    await batch.task(job, command, constraints=constraints)
    await batch.task(job, "/bin/true", "later")
    await batch.state(job, "running")
    options = BatchPoolResizeOptions(target_dedicated_nodes=0, node_deallocation_option=option)
    poller = await batch.client.begin_resize_pool(pool, options, polling_interval=0.05)

    async def leaving():
        return [node.state for node in await nodes_of(batch, pool)] == ["leavingpool"]

    await until(leaving)
    assert (await batch.client.get_task(job, "task")).state == "running"
    (tmp_path / "go").touch()
    await poller.result()
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.result) == ("completed", "success")
    assert (await batch.client.get_task(job, "later")).state == "active"
    assert await nodes_of(batch, pool) == []


async def test_a_stopped_resize_leaves_the_pool_as_it_is(url, batch, held):
    pool = await batch.ready_pool(1)
    await steady(batch, pool)
    let_pass = held("pools._STOPPING")
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    body = {"targetDedicatedNodes": 0, "nodeDeallocationOption": BatchNodeDeallocationOption.TASK_COMPLETION}
    assert (await send(url, "POST", f"/pools/{pool}/resize", body=body)).status == 202
    assert (await send(url, "POST", f"/pools/{pool}/stopresize")).status == 202
    assert (await batch.client.get_pool(pool)).allocation_state == "stopping"
    let_pass()
    await steady(batch, pool)
    assert [error.code for error in (await batch.client.get_pool(pool)).resize_errors] == ["ResizeStopped"]
    (node,) = await nodes_of(batch, pool)
    assert node.state == "running"
    await batch.client.terminate_task(job, "task")
    await batch.run(job, "/bin/true", "another")


async def test_what_is_not_being_resized_cannot_be_stopped(url, batch):
    pool = await batch.pool(0)
    answer = await send(url, "POST", f"/pools/{pool}/stopresize")
    assert (answer.status, answer.body["code"]) == (409, "OperationInvalidForCurrentState")


async def test_named_nodes_leave_and_the_targets_follow(batch):
    pool = await batch.ready_pool(3)
    await steady(batch, pool)
    leaving = [node.id for node in await nodes_of(batch, pool)][:2]
    options = BatchNodeRemoveOptions(node_ids=[leaving[0].upper(), leaving[1]])
    poller = await batch.client.begin_remove_nodes(pool, options, polling_interval=0.05)
    await poller.result()
    assert not {node.id for node in await nodes_of(batch, pool)} & set(leaving)
    assert (await batch.client.get_pool(pool)).target_dedicated_nodes == 1


@pytest.mark.parametrize(
    ("path", "body", "code", "name"),
    [
        ("resize", {}, "MissingRequiredProperty", "targetDedicatedNodes"),
        ("resize", {"targetDedicatedNodes": -1}, "InvalidPropertyValue", "targetDedicatedNodes"),
        ("resize", {"targetDedicatedNodes": 1, "resizeTimeout": "PT4M"}, "InvalidPropertyValue", "resizeTimeout"),
        ("resize", {"targetDedicatedNodes": 1, "nodeDeallocationOption": "x"}, "InvalidPropertyValue", None),
        ("removenodes", {}, "MissingRequiredProperty", "nodeList"),
        ("removenodes", {"nodeList": []}, "InvalidPropertyValue", "nodeList"),
        ("removenodes", {"nodeList": ["x"] * 101}, "InvalidPropertyValue", "nodeList"),
        ("removenodes", {"nodeList": ["missing"]}, "InvalidPropertyValue", "nodeList"),
    ],
)
async def test_impossible_resizes_are_refused(url, batch, path, body, code, name):
    pool = await batch.pool(0)
    answer = await send(url, "POST", f"/pools/{pool}/{path}", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)
    assert name is None or values(answer)["PropertyName"] == name
