"""What is reported about the account as a whole."""

from datetime import UTC, datetime, timedelta

import pytest

from batch_emulator.model.usage_metrics import intervals, last_interval, usage_on_wire
from batch_emulator.store.nodes import NodeRow
from batch_emulator.values.vm_sizes import title_of
from tests.batch_emulator.signed import send, values


async def test_supported_images_can_be_filtered_and_paged(batch):
    every = [image async for image in batch.client.list_supported_images()]
    assert {image.os_type for image in every} == {"linux", "windows"}
    assert every == [image async for image in batch.client.list_supported_images(max_results=3)]
    query = "osType eq 'LINUX' and verificationType eq 'verified' and startswith(nodeAgentSKUId, 'batch.node.ubuntu')"
    found = [image async for image in batch.client.list_supported_images(filter=query)]
    assert 0 < len(found) < len(every)
    assert {image.image_reference.publisher for image in found} >= {"canonical"}
    none = "osType eq 'windows' and osType ne 'windows'"
    assert [image async for image in batch.client.list_supported_images(filter=none)] == []


async def test_supported_images_are_those_of_the_recording_and_one_that_came_later(url):
    """`ListSupportedImages`."""
    images = (await send(url, "GET", "/supportedimages")).body["value"]
    assert len(images) == 63
    assert images[0] == {
        "imageReference": {
            "publisher": "almalinux",
            "offer": "almalinux-hpc",
            "sku": "8-hpc-gen1",
            "version": "latest",
        },
        "verificationType": "unverified",
        "nodeAgentSKUId": "batch.node.el 8",
        "capabilities": ["DockerCompatible", "SupportsRDMAOnly", "IntelMPIRuntimeInstalled"],
        "osType": "linux",
    }
    ends = {image["nodeAgentSKUId"]: image.get("batchSupportEndOfLife") for image in images}
    assert {agent: end for agent, end in ends.items() if end} == {
        "batch.node.ubuntu 20.04": "2025-04-23T00:00:00Z",
        "batch.node.ubuntu 22.04": "2027-06-30T00:00:00Z",
        "batch.node.mariner 2.0": "2025-07-30T00:00:00Z",
    }


@pytest.mark.parametrize("query", ["sku eq 'x'", "osType gt 'linux'", "osType eq 'solaris'", "osType eq"])
async def test_images_cannot_be_filtered_by_just_anything(url, query):
    answer = await send(url, "GET", "/supportedimages", {"$filter": query})
    assert (answer.status, values(answer)["QueryParameterName"]) == (400, "$filter")


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def node_allocated(at):
    return NodeRow(
        no=1,
        pool_no=1,
        id="n",
        dedicated=1,
        state="idle",
        state_time="",
        boot_time="",
        allocation_time=at.isoformat(),
        start_task_info=None,
        scheduling="enabled",
        errors=None,
        tasks_run=0,
        tasks_succeeded=0,
    )


def test_core_hours_are_those_of_whole_half_hours():
    interval = last_interval(NOON + timedelta(minutes=29))
    assert interval == (NOON - timedelta(minutes=30), NOON)
    nodes = [node_allocated(NOON - timedelta(minutes=minutes)) for minutes in (15, 90)]
    assert usage_on_wire("p", "standard_d2s_v3", nodes, interval)["totalCoreHours"] == 1.5
    assert usage_on_wire("p", "standard_d2s_v3", [node_allocated(NOON)], interval) is None


def test_a_stretch_of_time_is_cut_into_half_hours():
    assert intervals(NOON, NOON + timedelta(hours=1)) == [
        (NOON, NOON + timedelta(minutes=30)),
        (NOON + timedelta(minutes=30), NOON + timedelta(hours=1)),
    ]
    assert intervals(NOON, NOON) == []


def test_usage_names_the_pool_in_lower_case_and_the_size_as_it_is_documented():
    """Recording `PoolGetPoolUsageMetrics`: of a pool `BatchNodeUser` whose size was asked for as `STANDARD_D1_v2`."""
    interval = last_interval(NOON)
    usage = usage_on_wire("BatchNodeUser", "standard_d1_v2", [node_allocated(NOON - timedelta(hours=1))], interval)
    assert usage == {
        "poolId": "batchnodeuser",
        "startTime": "2026-11-23T11:30:00.000000Z",
        "endTime": "2026-11-23T12:00:00.000000Z",
        "vmSize": "Standard_D1_v2",
        "totalCoreHours": 0.5,
    }


@pytest.mark.parametrize("size", ["Standard_DS1_v2", "Standard_D2s_v3", "Basic_A1", "Standard_NC6s_v3", "mine"])
def test_sizes_are_spelled_as_they_are_documented(size):
    assert title_of(size.lower()) == size


async def test_usage_of_pools_that_are_new_is_not_there_yet(url, batch):
    assert [usage async for usage in batch.client.list_pool_usage_metrics(filter="poolId eq 'new'")] == []
    answer = await send(url, "GET", "/poolusagemetrics", {"startTime": "soon"})
    assert (answer.status, values(answer)["QueryParameterName"]) == (400, "startTime")
    extremes = {"startTime": "0001-01-01T00:00:00Z", "endtime": "9999-12-31T23:59:59Z"}
    assert (await send(url, "GET", "/poolusagemetrics", extremes)).status == 200
    extremes = {"startTime": "9999-12-31T23:59:59Z", "endtime": "0001-01-01T00:00:00Z"}
    assert (await send(url, "GET", "/poolusagemetrics", extremes)).status == 200
