"""What happens to nodes without anybody having asked for it, on an emulator of our own."""

from contextlib import asynccontextmanager

import pytest
from azure.batch.aio import BatchClient
from azure.batch.models import BatchStartTask

from batch_emulator.errors import BatchError
from batch_emulator.server import running
from batch_emulator.service import BatchService
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import CREDENTIAL, Batch, until


@pytest.fixture
async def emulator(monkeypatch):
    """The client and the service behind it."""
    async with _emulator(monkeypatch) as both:
        yield both


@asynccontextmanager
async def _emulator(monkeypatch):
    opened = []
    real = BatchService.open

    def keep(*args, **options):
        opened.append(real(*args, **options))
        return opened[0]

    monkeypatch.setattr(BatchService, "open", keep)
    async with running(Settings(port=0, location=None)) as url, BatchClient(url, CREDENTIAL) as client:
        yield Batch(client), opened[0]


async def nodes_of(batch, pool):
    return [node async for node in batch.client.list_nodes(pool)]


async def node_in_state(batch, pool, state):
    async def look():
        return [node for node in await nodes_of(batch, pool) if node.state == state]

    return (await until(look))[0]


async def busy(batch, nodes=1, **options):
    """Return a pool, a job whose one task runs, and the node that it runs on."""
    pool = await batch.ready_pool(nodes, **options)
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    task = await batch.state(job, "running")
    return pool, job, task.node_info.node_id


async def test_the_tasks_of_a_lost_node_run_elsewhere(emulator):
    batch, service = emulator
    pool, job, node = await busy(batch, 2)
    await service.node_failures.lose(pool, node)
    assert node not in [each.id for each in await nodes_of(batch, pool)]
    task = await batch.state(job, "running")
    assert (task.execution_info.requeue_count, task.node_info.node_id != node) == (1, True)
    assert (await batch.client.get_pool(pool)).current_dedicated_nodes == 1
    assert not service.directories.node(node).root.exists()


async def test_a_lost_node_may_be_replaced(emulator):
    batch, service = emulator
    pool, job, node = await busy(batch)
    await service.node_failures.lose(pool, node, replace=True)
    task = await batch.state(job, "running")
    assert task.node_info.node_id != node


async def test_a_preempted_node_stays_empty_until_it_recovers(emulator):
    batch, service = emulator
    pool = await batch.pool(0, target_low_priority_nodes=1)
    node = await node_in_state(batch, pool, "idle")
    assert node.is_dedicated is False
    job = await batch.job(pool)
    await batch.task(job, "/bin/sleep 60")
    await batch.state(job, "running")
    await service.node_failures.preempt(pool, node.id)
    assert (await batch.client.get_node(pool, node.id)).state == "preempted"
    task = await batch.client.get_task(job, "task")
    assert (task.state, task.execution_info.requeue_count) == ("active", 1)
    assert (await batch.client.get_pool(pool)).current_low_priority_nodes == 1
    service.node_failures.recover(pool, node.id)
    await batch.state(job, "running")


async def test_a_dedicated_node_is_never_preempted(emulator):
    batch, service = emulator
    pool = await batch.ready_pool(1)
    (node,) = await nodes_of(batch, pool)
    with pytest.raises(BatchError, match="OperationNotValidOnNode"):
        await service.node_failures.preempt(pool, node.id)


@pytest.mark.parametrize("state", ["unusable", "unknown"])
async def test_a_broken_node_runs_nothing(emulator, state):
    batch, service = emulator
    pool, job, node = await busy(batch)
    harm = {"unusable": service.node_failures.make_unusable, "unknown": service.node_failures.make_unknown}[state]
    await harm(pool, node)
    seen = await batch.client.get_node(pool, node)
    assert seen.state == state
    assert (await batch.client.get_task(job, "task")).state == "active"
    assert [error.code for error in seen.errors or ()] == (["Unusable"] if state == "unusable" else [])
    service.node_failures.recover(pool, node)
    await batch.state(job, "running")
    assert (await batch.client.get_node(pool, node)).errors is None


async def test_start_tasks_fail_on_demand(emulator):
    batch, service = emulator
    start = BatchStartTask(command_line="/bin/true", wait_for_success=True)
    pool, job, node = await busy(batch, start_task=start)
    await service.node_failures.fail_start_task(pool, node, 3)
    seen = await batch.client.get_node(pool, node)
    assert (seen.state, seen.start_task_info.exit_code, seen.start_task_info.result) == (
        "starttaskfailed",
        3,
        "failure",
    )
    assert (await batch.client.get_task(job, "task")).state == "active"
    service.node_failures.fail_next_start_tasks(pool)
    service.node_failures.recover(pool, node)
    await node_in_state(batch, pool, "starttaskfailed")
    service.node_failures.recover(pool, node)
    await batch.state(job, "running")


async def test_a_pool_without_a_start_task_cannot_fail_it(emulator):
    batch, service = emulator
    pool = await batch.ready_pool(1)
    (node,) = await nodes_of(batch, pool)
    with pytest.raises(BatchError, match="OperationNotValidOnPool"):
        await service.node_failures.fail_start_task(pool, node.id)
    with pytest.raises(BatchError, match="NodeNotFound"):
        await service.node_failures.lose(pool, "missing")
    with pytest.raises(BatchError, match="PoolNotFound"):
        await service.node_failures.lose("missing", node.id)
