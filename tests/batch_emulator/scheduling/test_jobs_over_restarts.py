"""What becomes of jobs and tasks when the emulator ends and starts again."""

import asyncio

import pytest
from azure.batch.models import (
    BatchJobPreparationTask,
    BatchJobReleaseTask,
    BatchTaskDependencies,
    BatchTaskIdRange,
    MultiInstanceSettings,
)

from tests.batch_emulator.conftest import until
from tests.batch_emulator.scheduling.test_pools_over_restarts import emulator_at
from tests.batch_emulator.signed import send


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


async def in_state(batch, job, wanted):
    async def look():
        return (await batch.client.get_job(job)).state == wanted

    await until(look)


async def test_what_tasks_wait_for_is_kept(state):
    causes = BatchTaskDependencies(task_ids=["root"], task_id_ranges=[BatchTaskIdRange(start=1, end=2)])
    async with emulator_at(state) as (_, batch):
        job = await batch.job(await batch.ready_pool(1), uses_task_dependencies=True)
        await batch.task(job, "/bin/true", "child", depends_on=causes)
        await batch.run(job, "/bin/true", "2")
    async with emulator_at(state) as (_, batch):
        await batch.run(job, "/bin/true", "1")
        assert (await batch.client.get_task(job, "child")).state == "active"
        await batch.run(job, "/bin/true", "root")
        await batch.state(job, "completed", "child")


async def test_a_job_that_was_being_disabled_is_disabled(state):
    async with emulator_at(state) as (url, batch):
        job = await batch.job(await batch.ready_pool(1))
        await batch.task(job, "/bin/sleep 60")
        await batch.state(job, "running")
        await send(url, "POST", f"/jobs/{job}/disable", body={"disableTasks": "wait"})
    async with emulator_at(state) as (_, batch):
        await in_state(batch, job, "disabled")
        assert (await batch.client.get_task(job, "task")).state == "active"


async def test_nodes_are_prepared_again_and_a_job_that_was_ending_ends_with_its_release_tasks(state, tmp_path):
    prepared, released = tmp_path / "prepared", tmp_path / "released"
    script = f"/bin/sh -c 'mkdir {prepared} && sleep 60; exit 0'"
    release = f"/bin/sh -c 'mkdir {released} && sleep 60; exit 0'"
    async with emulator_at(state) as (_, batch):
        job = await batch.job(
            await batch.ready_pool(1),
            job_preparation_task=BatchJobPreparationTask(command_line=script),
            job_release_task=BatchJobReleaseTask(command_line=release),
        )
        await batch.task(job, "/bin/true")
        await until(lambda: asyncio.to_thread(prepared.exists))
    async with emulator_at(state) as (url, batch):
        await batch.state(job, "completed")
        await send(url, "POST", f"/jobs/{job}/terminate")
        await until(lambda: asyncio.to_thread(released.exists))
    async with emulator_at(state) as (_, batch):
        await in_state(batch, job, "completed")
        assert len(await statuses(batch, job, filter="jobReleaseTaskExecutionInfo/exitCode eq 0")) == 1


async def statuses(batch, job, **options):
    return [each async for each in batch.client.list_job_preparation_and_release_task_status(job, **options)]


async def test_a_multi_instance_task_runs_again_on_all_its_nodes(state):
    settings = MultiInstanceSettings(number_of_instances=2, coordination_command_line="/bin/true")

    async def subtasks():
        return [each async for each in batch.client.list_subtasks(job, "task")]

    async with emulator_at(state) as (_, batch):
        job = await batch.job(await batch.ready_pool(2, enable_inter_node_communication=True))
        await batch.task(job, "/bin/sleep 60", multi_instance_settings=settings)
        await until(subtasks)
    async with emulator_at(state) as (_, batch):
        await until(subtasks)
        await batch.client.terminate_task(job, "task")
        assert [each.state for each in await subtasks()] == ["completed"]
