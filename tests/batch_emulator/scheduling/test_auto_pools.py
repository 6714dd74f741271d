import re
from datetime import UTC, datetime, timedelta

import pytest
from azure.batch.models import (
    BatchAutoPoolSpecification,
    BatchJobCreateOptions,
    BatchJobScheduleConfiguration,
    BatchJobScheduleCreateOptions,
    BatchJobSpecification,
    BatchPoolInfo,
    BatchPoolSpecification,
    BatchVmImageReference,
    VirtualMachineConfiguration,
)

from batch_emulator.scheduling.auto_pools import LINGER
from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.signed import send, values

GUID = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"


def auto_pool(lifetime, **options):
    machine = VirtualMachineConfiguration(
        image_reference=BatchVmImageReference(
            publisher="canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
        ),
        node_agent_sku_id="batch.node.ubuntu 24.04",
    )
    pool = BatchPoolSpecification(vm_size="small", virtual_machine_configuration=machine, target_dedicated_nodes=1)
    specification = BatchAutoPoolSpecification(pool_lifetime_option=lifetime, pool=pool, **options)
    return BatchPoolInfo(auto_pool_specification=specification)


async def add_job(batch, **options):
    job_id = new_id("job")
    await batch.client.create_job(BatchJobCreateOptions(id=job_id, pool_info=auto_pool("job", **options)))
    return job_id


async def add_schedule(batch, lifetime):
    """Create a schedule whose second job is due half a second after its first."""
    schedule_id = new_id("schedule")
    begin = datetime.now(UTC) - timedelta(seconds=59.5)
    options = BatchJobScheduleCreateOptions(
        id=schedule_id,
        schedule=BatchJobScheduleConfiguration(do_not_run_until=begin, recurrence_interval=timedelta(minutes=1)),
        job_specification=BatchJobSpecification(pool_info=auto_pool(lifetime)),
    )
    await batch.client.create_job_schedule(options)
    return schedule_id


async def pool_of(batch, job_id):
    return (await batch.client.get_job(job_id)).execution_info.pool_id


async def going(url, pool_id):
    """Wait until a pool is on its way out, or gone already."""

    async def look():
        answer = await send(url, "GET", f"/pools/{pool_id}")
        return answer.status == 404 or answer.body["state"] == "deleting"

    await until(look)


async def gone(url, pool_id):
    async def look():
        return (await send(url, "HEAD", f"/pools/{pool_id}")).status == 404

    await until(look)


async def test_a_job_gets_a_pool_of_its_own_that_ends_with_it(batch, url):
    job_id = await add_job(batch, auto_pool_id_prefix="mine")
    job = await batch.client.get_job(job_id)
    pool_id = job.execution_info.pool_id
    assert re.fullmatch(f"mine_{GUID}", pool_id)
    assert job.pool_info.pool_id is None
    assert job.pool_info.auto_pool_specification.keep_alive is False
    task = await batch.run(job_id, "/bin/sh -c 'echo $AZ_BATCH_POOL_ID'")
    assert task.node_info.pool_id == pool_id
    assert await batch.output(job_id) == f"{pool_id}\n"
    await batch.terminate(job_id)
    await going(url, pool_id)
    assert (await batch.client.get_job(job_id)).execution_info.pool_id == pool_id


async def test_the_nodes_of_such_a_pool_can_be_read_while_they_leave(batch, url, held):
    """Samples of Microsoft look every five seconds whether a job is done, and read its output then."""
    assert LINGER > 6
    let_pass = held("auto_pools.LINGER")
    job_id = await add_job(batch)
    pool_id = await pool_of(batch, job_id)
    await batch.run(job_id, "/bin/echo still here")
    await batch.terminate(job_id)

    async def leaving():
        """Return the nodes once they are on their way out: the pool is, a moment before."""
        nodes = (await send(url, "GET", f"/pools/{pool_id}/nodes")).body["value"]
        return nodes if [node["state"] for node in nodes] == ["leavingpool"] else None

    (node,) = await until(leaving)
    assert (await batch.client.get_node(pool_id, node["id"])).state == "leavingpool"
    stream = await batch.client.download_node_file(pool_id, node["id"], f"workitems/{job_id}/job-1/task/stdout.txt")
    assert b"".join([chunk async for chunk in stream]) == b"still here\n"
    assert await batch.output(job_id) == "still here\n"
    let_pass()
    await gone(url, pool_id)


async def test_a_deleted_job_takes_its_pool_with_it(batch, url):
    job_id = await add_job(batch)
    pool_id = await pool_of(batch, job_id)
    assert re.fullmatch(GUID, pool_id)
    await send(url, "DELETE", f"/jobs/{job_id}")
    await going(url, pool_id)


async def test_a_pool_that_is_to_be_kept_stays(batch):
    job_id = await add_job(batch, keep_alive=True)
    pool_id = await pool_of(batch, job_id)
    await batch.terminate(job_id)
    assert (await batch.client.get_pool(pool_id)).state == "active"


async def test_the_jobs_of_a_schedule_share_a_pool_that_ends_with_it(batch, url):
    schedule_id = await add_schedule(batch, "jobschedule")
    pool_id = await pool_of(batch, f"{schedule_id}:job-1")
    await batch.terminate(f"{schedule_id}:job-1")
    await until_next_job(batch, schedule_id)
    assert await pool_of(batch, f"{schedule_id}:job-2") == pool_id
    await send(url, "POST", f"/jobschedules/{schedule_id}/terminate")
    await going(url, pool_id)


async def test_each_job_of_a_schedule_may_have_a_pool_of_its_own(batch, url):
    schedule_id = await add_schedule(batch, "job")
    first = await pool_of(batch, f"{schedule_id}:job-1")
    await batch.terminate(f"{schedule_id}:job-1")
    await until_next_job(batch, schedule_id)
    second = await pool_of(batch, f"{schedule_id}:job-2")
    assert first != second
    await going(url, first)
    await send(url, "DELETE", f"/jobschedules/{schedule_id}")
    await going(url, second)


async def until_next_job(batch, schedule_id):
    async def look():
        schedule = await batch.client.get_job_schedule(schedule_id)
        return schedule.execution_info.recent_job.id == f"{schedule_id}:job-2"

    await until(look)


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({}, "poolInfo.poolId"),
        ({"autoPoolSpecification": {"poolLifetimeOption": "job"}}, "poolInfo.autoPoolSpecification.pool"),
        (
            {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": {}}},
            "poolInfo.autoPoolSpecification.pool.vmSize",
        ),
        (
            {"autoPoolSpecification": {"poolLifetimeOption": "jobschedule", "pool": {"vmSize": "s"}}},
            "poolInfo.autoPoolSpecification.poolLifetimeOption",
        ),
        (
            {"poolId": "p", "autoPoolSpecification": {"poolLifetimeOption": "job", "pool": {"vmSize": "s"}}},
            "poolInfo.poolId",
        ),
        (
            {
                "autoPoolSpecification": {
                    "poolLifetimeOption": "job",
                    "pool": {"vmSize": "s"},
                    "autoPoolIdPrefix": "a" * 21,
                }
            },
            "poolInfo.autoPoolSpecification.autoPoolIdPrefix",
        ),
    ],
)
async def test_a_pool_that_cannot_be_made_is_refused(url, info, name):
    answer = await send(url, "POST", "/jobs", body={"id": new_id("bad"), "poolInfo": info})
    assert answer.status == 400
    assert values(answer)["PropertyName"] == name


async def test_of_a_jobs_own_pool_only_keep_alive_can_change(batch, url):
    job_id = await add_job(batch)
    pool_id = await pool_of(batch, job_id)
    job = (await send(url, "GET", f"/jobs/{job_id}")).body
    info = job["poolInfo"]
    await send(url, "POST", f"/jobs/{job_id}/disable", body={"disableTasks": "requeue"})

    async def disabled():
        return (await batch.client.get_job(job_id)).state == "disabled"

    await until(disabled)
    other = {"autoPoolSpecification": {**info["autoPoolSpecification"], "autoPoolIdPrefix": "other"}}
    answer = await send(url, "PATCH", f"/jobs/{job_id}", body={"poolInfo": other})
    assert (answer.status, values(answer)["PropertyName"]) == (400, "poolInfo.autoPoolSpecification")
    kept = {"autoPoolSpecification": {**info["autoPoolSpecification"], "keepAlive": True}}
    assert (await send(url, "PATCH", f"/jobs/{job_id}", body={"poolInfo": kept})).status == 200
    assert (await send(url, "PATCH", f"/jobs/{job_id}", body={"poolInfo": info})).status == 200
    assert await pool_of(batch, job_id) == pool_id
    moved = {"poolInfo": {"poolId": "elsewhere"}}
    assert (await send(url, "PATCH", f"/jobs/{job_id}", body=moved)).status == 200
    assert await pool_of(batch, job_id) == "elsewhere"
    await going(url, pool_id)
