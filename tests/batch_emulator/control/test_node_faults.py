"""Harm to nodes over HTTP: what it does to tasks is tested in test_losses."""

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import BatchStartTask

from tests.batch_emulator.conftest import CREDENTIAL, Batch, until
from tests.batch_emulator.control_client import control


async def nodes_of(batch, pool):
    return [node async for node in batch.client.list_nodes(pool)]


async def act(url, pool, action, body=None, node="any"):
    answer = await control(url, "POST", f"/pools/{pool}/nodes/{node}/{action}", body)
    assert answer.status == 204, answer.body


async def idle(batch, pool):
    async def look():
        return [node.id for node in await nodes_of(batch, pool) if node.state == "idle"]

    return await until(look)


async def test_the_busiest_node_is_lost_and_its_task_runs_again(url, batch):
    pool = await batch.ready_pool(2)
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    first = (await batch.state(job, "running")).node_info.node_id
    await act(url, pool, "lose")
    assert first not in [node.id for node in await nodes_of(batch, pool)]

    async def moved():
        task = await batch.client.get_task(job, "task")
        return task.state == "running" and task.node_info.node_id != first

    await until(moved)
    await batch.terminate(job)


async def test_a_lost_node_is_replaced_on_request(url, batch):
    pool = await batch.ready_pool(1)
    (before,) = await nodes_of(batch, pool)
    await act(url, pool, "lose", {"replace": True}, node=before.id)
    assert await idle(batch, pool) != [before.id]


async def test_a_node_breaks_down_and_recovers(url, batch):
    pool = await batch.ready_pool(1)
    await act(url, pool, "makeunusable", {"code": "DiskGone", "message": "Smoke."})
    (node,) = await nodes_of(batch, pool)
    shown = [(error.code, error.message) for error in node.errors]
    assert (node.state, shown) == ("unusable", [("DiskGone", "Smoke.")])
    await act(url, pool, "recover")
    assert await idle(batch, pool) == [node.id]


@pytest.mark.parametrize(("action", "state"), [("preempt", "preempted"), ("makeunknown", "unknown")])
async def test_a_spot_node_is_preempted_or_out_of_contact_and_recovers(url, batch, action, state):
    pool = await batch.pool(0, target_low_priority_nodes=1)
    await idle(batch, pool)
    await act(url, pool, action)
    assert [node.state for node in await nodes_of(batch, pool)] == [state]
    await act(url, pool, "recover")
    await idle(batch, pool)


async def test_a_start_task_fails_now_or_at_the_next_boot(url, batch):
    pool = await batch.ready_pool(1, start_task=BatchStartTask(command_line="/bin/true", wait_for_success=True))
    await act(url, pool, "failstarttask", {"exitCode": 3})
    (node,) = await nodes_of(batch, pool)
    assert (node.state, node.start_task_info.exit_code) == ("starttaskfailed", 3)
    assert (await control(url, "POST", f"/pools/{pool}/failnextstarttasks", {"count": 1})).status == 204
    await act(url, pool, "recover")

    async def failed_again():
        (node,) = await nodes_of(batch, pool)
        return node.state == "starttaskfailed" and node.start_task_info.exit_code == 1

    await until(failed_again)
    await act(url, pool, "recover")
    await idle(batch, pool)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/pools/none/nodes/any/lose", None, 404, "PoolNotFound"),
        ("/pools/{pool}/nodes/none/lose", None, 404, "NodeNotFound"),
        ("/pools/{pool}/nodes/any/preempt", None, 409, "OperationNotValidOnNode"),
        ("/pools/{pool}/nodes/any/recover", None, 409, "OperationInvalidForCurrentState"),
        ("/pools/{pool}/nodes/any/failstarttask", None, 409, "OperationNotValidOnPool"),
        ("/pools/{pool}/nodes/any/explode", None, 404, "ResourceNotFound"),
    ],
)
async def test_what_cannot_happen_to_a_node_is_refused(url, batch, pool, path, body, status, code):
    answer = await control(url, "POST", path.format(pool=pool), body)
    assert (answer.status, answer.body["code"]) == (status, code)


@pytest.fixture(scope="module")
async def pool(url):
    async with BatchClient(url, CREDENTIAL) as client:
        yield await Batch(client).ready_pool(1)


async def test_an_empty_pool_has_no_node_for_anything(url, batch):
    answer = await control(url, "POST", f"/pools/{await batch.pool(0)}/nodes/any/lose")
    assert (answer.status, answer.body["code"]) == (404, "NodeNotFound")


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("nodes/any/lose", {"replace": 1}),
        ("nodes/any/makeunusable", {"code": ""}),
        ("nodes/any/failstarttask", {"exitCode": 0}),
        ("failnextstarttasks", {"number": 3}),
        ("failnextstarttasks", []),
    ],
)
async def test_options_that_cannot_be_read_are_refused_and_nothing_happens(url, batch, pool, action, options):
    answer = await control(url, "POST", f"/pools/{pool}/{action}", options)
    assert (answer.status, len(answer.body["problems"])) == (400, 1)
    assert [node.state for node in await nodes_of(batch, pool)] == ["idle"]
