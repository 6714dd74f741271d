import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from batch_emulator.errors import BatchError
from batch_emulator.faults.quotas import Limits, Quotas
from batch_emulator.values.vm_sizes import cores_of
from tests.batch_emulator.conftest import impatient_client, own_emulator, until
from tests.batch_emulator.control_client import control
from tests.batch_emulator.signed import send


@pytest.fixture(scope="module")
async def url():
    async with own_emulator() as address:
        yield address


@pytest.fixture
async def batch(url):
    async with impatient_client(url) as batch:
        yield batch
    assert (await control(url, "POST", "/reset")).status == 204


async def limit(url, **limits):
    answer = await control(url, "PUT", "/quotas", limits)
    assert (answer.status, answer.body) == (200, limits)


async def test_no_more_jobs_than_the_quota_are_open(url, batch):
    await limit(url, activeJobsAndSchedules=2)
    first, second = await batch.job("p"), await batch.job("p")
    with pytest.raises(ResourceExistsError) as caught:
        await batch.job("p")
    assert caught.value.error.code == "ActiveJobAndScheduleQuotaReached"
    await batch.terminate(first)
    third = await batch.job("p")
    assert {job.id async for job in batch.client.list_jobs()} == {first, second, third}


async def test_schedules_and_their_jobs_count_too(url, batch):
    await limit(url, activeJobsAndSchedules=2)
    specification = {"poolInfo": {"poolId": "p"}}
    body = {"id": "schedule", "schedule": {}, "jobSpecification": specification}
    assert (await send(url, "POST", "/jobschedules", body=body)).status == 201
    for path, other in (("/jobs", {"id": "job", **specification}), ("/jobschedules", {**body, "id": "other"})):
        refused = await send(url, "POST", path, body=other)
        assert (refused.status, refused.body["code"]) == (409, "ActiveJobAndScheduleQuotaReached")


async def test_an_existing_job_is_said_to_exist_even_at_the_quota(url, batch):
    await limit(url, activeJobsAndSchedules=1)
    job = await batch.job("p")
    answer = await send(url, "POST", "/jobs", body={"id": job, "poolInfo": {"poolId": "p"}})
    assert answer.body["code"] == "JobExists"


async def test_no_more_pools_than_the_quota_exist(url, batch):
    await limit(url, pools=1)
    await batch.pool(0)
    with pytest.raises(ResourceExistsError) as caught:
        await batch.pool(0)
    assert caught.value.error.code == "PoolQuotaReached"


async def test_tasks_beyond_the_rate_are_refused_and_not_added(url, batch):
    job = await batch.job("p")
    await limit(url, tasksPerSecond=0.1)
    await batch.task(job, "true", "a")
    for _ in range(2):
        refused = await send(url, "POST", f"/jobs/{job}/tasks", body={"id": "b", "commandLine": "true"})
        assert (refused.status, refused.body["code"]) == (429, "TooManyRequests")
        assert 8 <= int(refused.headers["Retry-After"]) <= 10
    with pytest.raises(HttpResponseError, match="TooManyRequests"):
        await batch.task(job, "true", "b")
    assert [task.id async for task in batch.client.list_tasks(job)] == ["a"]


def test_a_collection_uses_up_the_time_of_all_its_tasks():
    time = [100.0]
    quotas = Quotas(limits=Limits(tasks_per_second=50), now=lambda: time[0])
    quotas.check_new_tasks(100)
    time[0] += 1.5
    with pytest.raises(BatchError) as caught:
        quotas.check_new_tasks(1)
    assert caught.value.retry_after == 1
    time[0] += 0.5
    quotas.check_new_tasks(1)


async def test_quotas_are_replaced_as_a_whole_and_bad_ones_refused(url, batch):
    await limit(url, pools=3, dedicatedCores=20)
    refused = await control(url, "PUT", "/quotas", {"pools": -1, "cores": 4, "tasksPerSecond": "many"})
    assert (refused.status, len(refused.body["problems"])) == (400, 3)
    assert (await control(url, "GET", "/quotas")).body == {"pools": 3, "dedicatedCores": 20}
    await limit(url)


@pytest.mark.parametrize(
    ("size", "cores"),
    [
        ("standard_d2s_v3", 2),
        ("Standard_NC24ads_A100_v4", 24),
        ("STANDARD_M128-32ms", 32),
        ("Standard_A1_v2", 1),
        ("basic_a0", 1),
        ("small", 1),
    ],
)
def test_the_name_of_a_size_says_its_cores(size, cores):
    assert cores_of(size) == cores


def test_cores_that_are_left_decide_how_many_nodes_there_may_be():
    quotas = Quotas(limits=Limits(dedicated_cores=10))
    used = {("standard_d2s_v3", True): 3, ("standard_d2s_v3", False): 9}
    assert quotas.affordable(used, "standard_d2s_v3", dedicated=True) == 2
    assert quotas.affordable(used, "standard_d8s_v3", dedicated=True) == 0
    assert not quotas.limits_cores(dedicated=False)


async def test_a_pool_gets_the_nodes_that_the_cores_allow_and_says_so(url, batch):
    await limit(url, dedicatedCores=5, lowPriorityCores=2)
    first = await batch.ready_pool(1)
    second = await batch.pool(3, target_low_priority_nodes=2)

    async def steady():
        pool = await batch.client.get_pool(second)
        return pool if pool.allocation_state == "steady" else None

    pool = await until(steady)
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 1)
    assert [error.code for error in pool.resize_errors] == [
        "AccountLowPriorityCoreQuotaReached",
        "AccountCoreQuotaReached",
    ]
    assert (await batch.client.get_pool(first)).resize_errors is None
