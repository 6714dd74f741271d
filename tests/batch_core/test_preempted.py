"""Spot nodes that are preempted: the record says so, the task runs again, and the node goes when nobody needs it."""

import asyncio

import pytest
from azure.batch.models import BatchTaskState

from batch_core.collect import collect
from batch_core.live import live_task
from batch_core.reconcile import reconcile
from batch_core.scale import scale
from batch_core.services.batch_values import LiveTask
from batch_core.state.record import TaskState
from tests.batch_core.scaled_pool import pool_id_of, with_scaled_pool
from tests.batch_core.steps import collected, completed, in_state, later, record_of, submitted
from tests.batch_emulator.control_client import control

PUT_BACK = "Batch has put it back into its queue once, as it does when a node is preempted or removed"


@pytest.fixture
async def spot(app, tmp_path, monkeypatch):
    """An app whose files run on one Spot node of a pool of its own, until they are released."""
    async with with_scaled_pool(app, "spot", "scale = { max = 2, spot = 1.0 }", tmp_path, monkeypatch) as routed:
        yield routed


async def do_with_node(app, node_id, what):
    path = f"/pools/{pool_id_of(app)}/nodes/{node_id}/{what}"
    reply = await control(app.settings.batch.endpoint, "POST", path, {})
    assert reply.status == 204, reply.body


async def running(app, record):
    """Scale until the task runs; return its node."""
    async with asyncio.timeout(30):
        while (task := await app.batch.current_task(record.job_id, record.task_id)).state != "running":
            await scale(app)
            await asyncio.sleep(0.05)
    return task.node_id


async def idle_node(app, tmp_path):
    """Run a file on a node and collect it; return the node, which nobody needs any more."""
    record = await submitted(app)
    node = await running(app, record)
    (tmp_path / record.blob).touch()
    await completed(app, [record.task_id])
    await collect(app)
    return node


async def back_in_the_queue(app, record):
    await in_state(app, [record.task_id], BatchTaskState.ACTIVE)


async def test_a_task_whose_node_is_preempted_says_so_runs_again_and_says_it_still(spot, tmp_path):
    record = await submitted(spot)
    node = await running(spot, record)
    await do_with_node(spot, node, "preempt")
    await back_in_the_queue(spot, record)
    await reconcile(later(spot, minutes=20))
    waiting = await record_of(spot, record.task_id)
    assert (waiting.state, waiting.requeues) == (TaskState.SUBMITTED, 1)
    assert waiting.reason == (
        f"it waits for a node of pool '{pool_id_of(spot)}': its Spot nodes were preempted, and Batch has no others for"
        f" it yet; {PUT_BACK}"
    )
    assert (await live_task(spot, waiting)).reason == waiting.reason
    await do_with_node(spot, node, "recover")
    await running(spot, record)
    await reconcile(later(spot, minutes=20))
    assert (await record_of(spot, record.task_id)).reason == f"it is running; {PUT_BACK}"
    (tmp_path / record.blob).touch()
    end = await collected(spot, record.task_id)
    assert (end.state, end.reason, end.requeues) == (TaskState.SUCCEEDED, None, 1)


async def test_what_was_seen_stays_where_batch_does_not_count_it(spot, tmp_path, monkeypatch):
    """Whether `requeueCount` counts preempted nodes is not documented: a task that is back in the queue is one."""
    record = await submitted(spot)
    node = await running(spot, record)

    async def live_tasks(job_id):
        return {record.task_id: LiveTask(state="active", requeues=1)}

    with monkeypatch.context() as patch:
        patch.setattr(type(spot.batch), "live_tasks", lambda self, job_id: live_tasks(job_id))
        await reconcile(later(spot, minutes=5))
    assert node
    (tmp_path / record.blob).touch()
    assert (await collected(spot, record.task_id)).requeues == 1


async def test_a_preempted_node_that_nobody_needs_is_removed(spot, tmp_path):
    node = await idle_node(spot, tmp_path)
    await do_with_node(spot, node, "preempt")
    assert (await scale(spot)).closed == 0
    assert (await scale(spot)).removed == 1
    async with asyncio.timeout(30):
        while await spot.nodes.nodes(pool_id_of(spot)):
            await asyncio.sleep(0.05)
    assert (await spot.batch.pool_status(pool_id_of(spot))).target == 0


async def test_a_noted_node_that_is_preempted_and_comes_back_is_closed_before_it_goes(spot, tmp_path):
    node = await idle_node(spot, tmp_path)
    await do_with_node(spot, node, "preempt")
    await scale(spot)
    assert (await spot.scaling.all())[pool_id_of(spot).lower()].closing == (node,)
    await do_with_node(spot, node, "recover")
    async with asyncio.timeout(30):
        while [one.state for one in await spot.nodes.nodes(pool_id_of(spot))] != ["idle"]:
            await asyncio.sleep(0.05)
    report = await scale(spot)
    assert (report.closed, report.removed) == (1, 0)
    assert (await scale(spot)).removed == 1


async def test_a_noted_node_that_is_broken_when_work_comes_stays_noted_and_holds_nothing_up(spot, tmp_path):
    node = await idle_node(spot, tmp_path)
    assert (await scale(spot)).closed == 1
    await do_with_node(spot, node, "preempt")
    second = await submitted(spot, "b.txt")
    await scale(spot)
    assert (await spot.scaling.all())[pool_id_of(spot).lower()].closing == (node,)
    await do_with_node(spot, node, "recover")
    await running(spot, second)
    (tmp_path / second.blob).touch()
    assert (await collected(spot, second.task_id)).state is TaskState.SUCCEEDED
