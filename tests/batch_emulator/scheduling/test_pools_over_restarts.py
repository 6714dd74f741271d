"""What becomes of pools and nodes when the emulator ends and starts again, and of resizes that take too long."""

from contextlib import asynccontextmanager

from azure.batch.aio import BatchClient
from azure.batch.models import BatchPoolResizeOptions, BatchStartTask

from batch_emulator.scheduling.allocation import Resize
from batch_emulator.server import running
from batch_emulator.settings import Settings
from batch_emulator.values.states import DeallocationOption
from tests.batch_emulator.conftest import CREDENTIAL, Batch, until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, steady
from tests.batch_emulator.scheduling.test_autoscale import scaled_pool
from tests.batch_emulator.scheduling.test_node_failures import _emulator
from tests.batch_emulator.signed import send


@asynccontextmanager
async def emulator_at(path):
    async with running(Settings(port=0, location=path)) as url, BatchClient(url, CREDENTIAL) as client:
        yield url, Batch(client)


async def states(batch, pool):
    return sorted(node.state for node in await nodes_of(batch, pool))


async def test_nodes_boot_again_and_what_was_deallocated_or_disabled_stays_so(tmp_path):
    start = BatchStartTask(command_line="/bin/true", wait_for_success=True)
    async with emulator_at(tmp_path / "state") as (url, batch):
        pool = await batch.ready_pool(3, start_task=start)
        first, second, third = [node.id for node in await nodes_of(batch, pool)]
        assert (await send(url, "POST", f"/pools/{pool}/nodes/{first}/deallocate")).status == 202
        assert (await send(url, "POST", f"/pools/{pool}/nodes/{second}/disablescheduling")).status == 200
        booted = (await batch.client.get_node(pool, third)).last_boot_time
    async with emulator_at(tmp_path / "state") as (_, batch):

        async def ready():
            return await states(batch, pool) == ["deallocated", "idle", "offline"]

        await until(ready)
        node = await batch.client.get_node(pool, third)
        assert node.last_boot_time > booted
        assert node.start_task_info.result == "success"
        assert (await batch.client.get_node(pool, second)).scheduling_state == "disabled"


async def test_a_resize_goes_on_where_it_was(tmp_path):
    async with emulator_at(tmp_path / "state") as (_, batch):
        pool = await batch.ready_pool(2)
        await steady(batch, pool)
        job = await batch.job(pool)
        await batch.task(job, "/bin/sleep 60", "a")
        await batch.task(job, "/bin/sleep 60", "b")
        await batch.state(job, "running", "b")
        options = BatchPoolResizeOptions(target_dedicated_nodes=1, node_deallocation_option="taskcompletion")
        await batch.client.begin_resize_pool(pool, options, polling_interval=0.05)

        async def leaving():
            return await states(batch, pool) == ["leavingpool", "running"]

        await until(leaving)
    async with emulator_at(tmp_path / "state") as (_, batch):
        await steady(batch, pool)

        async def running_again():
            return await states(batch, pool) == ["running"]

        await until(running_again)
        assert (await batch.client.get_pool(pool)).current_dedicated_nodes == 1


async def test_a_pool_goes_on_scaling_itself_at_its_interval(tmp_path):
    async with emulator_at(tmp_path / "state") as (_, batch):
        pool = await scaled_pool(batch, "$TargetDedicatedNodes = 1")
        await steady(batch, pool)
        before = (await batch.client.get_pool(pool)).auto_scale_run.timestamp
    async with emulator_at(tmp_path / "state") as (_, batch):
        seen = await batch.client.get_pool(pool)
        assert (seen.enable_auto_scale, seen.auto_scale_run.timestamp) == (True, before)


async def test_a_resize_that_takes_too_long_ends_with_an_error_and_the_nodes_stay(monkeypatch):
    async with _emulator(monkeypatch) as (batch, service):
        pool = await batch.ready_pool(1)
        await steady(batch, pool)
        job = await batch.job(pool)
        await batch.task(job, "/bin/sleep 60")
        await batch.state(job, "running")
        row = service.store.pools.get(pool)
        document = {"vmSize": "small", "taskSlotsPerNode": 1, "targetDedicatedNodes": 0, "targetLowPriorityNodes": 0}
        document |= {"enableAutoScale": False, "taskSchedulingPolicy": {"nodeFillType": "Spread"}}
        resize = Resize(option=DeallocationOption.TASK_COMPLETION, timeout=0.3)
        service.pools.resize(row, document, resize)
        await steady(batch, pool)
        seen = await batch.client.get_pool(pool)
        assert [error.code for error in seen.resize_errors] == ["AllocationTimedOut"]
        assert (seen.current_dedicated_nodes, seen.target_dedicated_nodes) == (1, 0)
        assert await states(batch, pool) == ["running"]
        await batch.client.terminate_task(job, "task")
        await batch.run(job, "/bin/true", "another")
