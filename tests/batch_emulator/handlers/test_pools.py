import pytest
from azure.batch.models import (
    BatchPoolCreateOptions,
    BatchStartTask,
    BatchTaskSchedulingPolicy,
    EnvironmentSetting,
    ResourceFile,
    UserAccount,
)
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.batch_emulator.conftest import new_id, pool_options, until
from tests.batch_emulator.signed import send, values


async def test_a_new_pool_has_the_defaults_of_the_service(batch):
    """Recording `TaskUpdate`."""
    pool_id = new_id("pool")
    await batch.client.create_pool(BatchPoolCreateOptions(id=pool_id, vm_size="small"))
    pool = (await batch.client.get_pool(pool_id)).as_dict()
    assert {key: pool[key] for key in ("state", "resizeTimeout", "taskSlotsPerNode", "taskSchedulingPolicy")} == {
        "state": "active",
        "resizeTimeout": "PT15M",
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread", "jobDefaultOrder": "none"},
    }
    assert pool["targetDedicatedNodes"] == pool["currentDedicatedNodes"] == 0
    assert pool["enableAutoScale"] is pool["enableInterNodeCommunication"] is False


async def test_nodes_become_idle_and_the_pool_steady(batch):
    pool_id = await batch.ready_pool(2, target_low_priority_nodes=0)
    pool = await batch.client.get_pool(pool_id)
    assert (pool.allocation_state, pool.current_dedicated_nodes) == ("steady", 2)
    nodes = [node async for node in batch.client.list_nodes(pool_id)]
    assert [node.is_dedicated for node in nodes] == [True, True]
    node = await batch.client.get_node(pool_id, nodes[0].id)
    assert (node.state, node.total_tasks_run, node.affinity_id) == ("idle", 0, f"TVM:{node.id}")


async def test_numbers_may_come_as_strings(url, batch):
    pool_id = new_id("pool")
    body = {"id": pool_id, "vmSize": "small", "targetDedicatedNodes": "1"}
    assert (await send(url, "POST", "/pools", body=body)).status == 201
    assert (await batch.client.get_pool(pool_id)).target_dedicated_nodes == 1


async def test_ids_have_no_case_and_keep_theirs(batch):
    pool_id = new_id("Pool")
    await batch.client.create_pool(pool_options(pool_id, 0))
    assert (await batch.client.get_pool(pool_id.upper())).id == pool_id
    with pytest.raises(ResourceExistsError) as caught:
        await batch.client.create_pool(pool_options(pool_id.lower(), 0))
    assert caught.value.error.code == "PoolExists"


async def test_a_missing_pool_is_not_found(batch):
    with pytest.raises(ResourceNotFoundError, match="The specified pool does not exist") as caught:
        await batch.client.get_pool("missing")
    assert caught.value.error.code == "PoolNotFound"


async def test_exists_answers_404_with_an_empty_body(url, pool, batch):
    """Recording `PoolExists`."""
    assert await batch.client.pool_exists(pool) is True
    missing = await send(url, "HEAD", "/pools/missing")
    assert (missing.status, missing.body) == (404, b"")


async def test_passwords_are_not_kept(batch):
    pool_id = await batch.pool(0, user_accounts=[UserAccount(name="u", password="secret")])
    pool = (await batch.client.get_pool(pool_id)).as_dict()
    assert pool["userAccounts"] == [{"name": "u", "elevationLevel": "nonadmin"}]


async def test_select_and_filter_narrow_a_list(batch):
    pool_id = await batch.pool(0)
    listed = batch.client.list_pools(filter=f"id eq '{pool_id.upper()}'", select=["id,state"])
    assert [pool.as_dict() async for pool in listed] == [{"id": pool_id, "state": "active"}]


@pytest.mark.parametrize(
    ("query", "name", "reason"),
    [
        ({"maxresults": "-5"}, "maxresults", "MaxResults cannot be less than 1"),
        ({"maxresults": "1001"}, "maxresults", "MaxResults cannot be more than 1000"),
        ({"maxresults": "x"}, "maxresults", "MaxResults is not a number"),
        ({"$skiptoken": "!"}, "$skiptoken", "The skip token is not valid"),
        ({"$skiptoken": "a"}, "$skiptoken", "The skip token is not valid"),
        ({"$select": "nothing"}, "$select", "The property nothing does not exist"),
    ],
)
async def test_a_bad_query_parameter_is_named(url, query, name, reason):
    answer = await send(url, "GET", "/pools", query)
    assert (answer.status, answer.body["code"]) == (400, "InvalidQueryParameterValue")
    assert values(answer) == {
        "QueryParameterName": name,
        "QueryParameterValue": query[name],
        "Reason": reason,
    }


async def test_a_start_task_runs_before_the_node_is_idle(batch):
    start = BatchStartTask(
        command_line="/bin/sh -c 'echo $GREETING > $AZ_BATCH_NODE_SHARED_DIR/file; env'",
        environment_settings=[EnvironmentSetting(name="GREETING", value="hello")],
        wait_for_success=True,
    )
    pool_id = await batch.ready_pool(1, start_task=start)
    (node,) = [node async for node in batch.client.list_nodes(pool_id)]
    info = node.start_task_info
    assert (info.state, info.result, info.exit_code, info.retry_count) == ("completed", "success", 0, 0)
    job_id = await batch.job(pool_id)
    await batch.run(job_id, "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/file'")
    assert await batch.output(job_id) == "hello\n"


async def test_a_failed_start_task_keeps_tasks_away(batch):
    start = BatchStartTask(command_line="/bin/false", wait_for_success=True, max_task_retry_count=1)
    pool_id = await batch.pool(1, start_task=start)

    async def failed():
        return [n async for n in batch.client.list_nodes(pool_id, filter="state eq 'starttaskfailed'")]

    (node,) = await until(failed)
    info = node.start_task_info
    assert (info.result, info.exit_code, info.retry_count) == ("failure", 1, 1)
    assert info.failure_info.code == "FailureExitCode"
    named = "startTaskInfo/exitCode eq 1 and startTaskInfo/result eq 'failure'"
    assert [n.id async for n in batch.client.list_nodes(pool_id, filter=named)] == [node.id]


async def test_a_start_task_that_is_not_waited_for_does_not_hold_the_node(batch):
    start = BatchStartTask(command_line="/bin/sleep 60", wait_for_success=False)
    # Ready means that its node is idle.
    pool_id = await batch.ready_pool(1, start_task=start)
    (node,) = [node async for node in batch.client.list_nodes(pool_id)]
    assert (node.state, node.start_task_info.state) == ("idle", "running")
    poller = await batch.client.begin_delete_pool(pool_id, polling_interval=0.05)
    await poller.result()


async def test_a_deleted_pool_is_deleting_before_the_answer_and_then_gone(url, batch, held):
    pool_id = await batch.ready_pool(1)
    let_pass = held("pools._LEAVING")
    assert (await send(url, "DELETE", f"/pools/{pool_id}")).status == 202
    again = await send(url, "DELETE", f"/pools/{pool_id}")
    assert again.body["code"] == "PoolBeingDeleted"
    let_pass()
    poller = await batch.client.begin_delete_pool(await batch.pool(1), polling_interval=0.05)
    await poller.result()


async def test_conditions_on_the_etag_are_kept(batch):
    pool_id = await batch.pool(0)
    etag = (await batch.client.get_pool(pool_id)).etag
    with pytest.raises(HttpResponseError) as caught:
        await batch.client.begin_delete_pool(pool_id, etag="0x0", match_condition=MatchConditions.IfNotModified)
    assert (caught.value.status_code, caught.value.error.code) == (412, "ConditionNotMet")
    with pytest.raises(HttpResponseError) as caught:
        await batch.client.get_pool(pool_id, etag=etag, match_condition=MatchConditions.IfModified)
    assert caught.value.status_code == 304
    poller = await batch.client.begin_delete_pool(
        pool_id, etag=etag, match_condition=MatchConditions.IfNotModified, polling_interval=0.05
    )
    await poller.result()


async def test_node_counts_hold_every_state_and_the_total(batch):
    pool_id = await batch.ready_pool(2)
    listed = batch.client.list_pool_node_counts(filter=f"poolId eq '{pool_id}'")
    (counts,) = [counts async for counts in listed]
    assert (counts.dedicated.idle, counts.dedicated.total, counts.low_priority.total) == (2, 2, 0)
    assert set(counts.dedicated.as_dict().values()) == {0, 2}


async def test_a_missing_node_is_not_found(batch, pool):
    with pytest.raises(ResourceNotFoundError) as caught:
        await batch.client.get_node(pool, "missing")
    assert caught.value.error.code == "NodeNotFound"


@pytest.mark.parametrize(
    "properties",
    [
        {"task_slots_per_node": 0},
        {"task_slots_per_node": 257},
        {"start_task": BatchStartTask(command_line="  ")},
        {"start_task": BatchStartTask(command_line="x", resource_files=[ResourceFile(file_path="a")])},
    ],
)
async def test_impossible_pools_are_refused(batch, properties):
    with pytest.raises(HttpResponseError) as caught:
        await batch.client.create_pool(pool_options(new_id("pool"), 0, **properties))
    assert caught.value.error.code == "InvalidPropertyValue"


async def test_the_fill_type_may_be_written_in_any_case(batch):
    policy = BatchTaskSchedulingPolicy(node_fill_type="pack")
    pool_id = await batch.pool(0, task_scheduling_policy=policy)
    assert (await batch.client.get_pool(pool_id)).task_scheduling_policy.node_fill_type.lower() == "pack"
