"""The versions of the REST API that are served, and the shapes of the older ones."""

import pytest

from batch_emulator.__main__ import _read
from batch_emulator.server import running
from batch_emulator.settings import Settings
from batch_emulator.versions import SERVED, ApiVersion
from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.signed import send, values

BEFORE_SLOTS = [version for version in SERVED if version < "2020-09-01"]
MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "nodeAgentSKUId": "batch.node.ubuntu 24.04",
}


def asked(version, **query):
    return {"api-version": version} | query


@pytest.mark.parametrize("version", SERVED)
async def test_the_versions_of_clients_since_2019_are_served(url, version):
    assert (await send(url, "GET", "/pools", asked(version))).status == 200


@pytest.mark.parametrize("version", ["1999-01-01", "2025-06-02", "2025-06-01 ", "2018-08-01.7.0", "latest"])
async def test_another_version_is_refused_as_the_service_does(url, version):
    answer = await send(url, "GET", "/pools", asked(version))
    assert (answer.status, answer.body["code"]) == (400, "InvalidQueryParameterValue")
    found = values(answer)
    assert (found["QueryParameterName"], found["QueryParameterValue"]) == ("api-version", version)
    assert all(served in found["Reason"] for served in SERVED)


async def test_a_request_without_version_is_refused(url):
    answer = await send(url, "GET", "/pools", asked(None))
    assert (answer.status, answer.body["code"]) == (400, "MissingRequiredQueryParameter")


@pytest.mark.parametrize("version", ["2018-08-01.7.0", "2031-01-01", "2031-01-01-preview"])
async def test_unknown_versions_are_served_where_they_are_not_checked(version):
    async with running(Settings(port=0, skip_api_version_check=True)) as url:
        assert (await send(url, "GET", "/pools", asked(version))).status == 200
        images = "/nodeagentskus" if version < "2019" else "/supportedimages"
        assert (await send(url, "GET", images, asked(version))).status == 200
        assert (await send(url, "GET", "/pools", asked(None))).status == 400


@pytest.mark.parametrize("option", ["--skip-api-version-check", "--skipApiVersionCheck"])
def test_the_option_has_the_spelling_of_azurite_too(option):
    assert _read([option]).skip_api_version_check
    assert not _read([]).skip_api_version_check


@pytest.mark.parametrize("version", SERVED)
async def test_task_counts_are_nested_since_there_are_slots(url, idle_job, version):
    body = (await send(url, "GET", f"/jobs/{idle_job}/taskcounts", asked(version))).body
    del body["odata.metadata"]
    counts = dict.fromkeys(("active", "running", "completed", "succeeded", "failed"), 0)
    nested = {"taskCounts": counts, "taskSlotCounts": counts}
    assert body == (counts if version in BEFORE_SLOTS else nested)


async def test_the_first_version_lists_node_agents_with_their_images(url):
    first = SERVED[0]
    agents = (await send(url, "GET", "/nodeagentskus", asked(first))).body["value"]
    ubuntu = next(agent for agent in agents if agent["id"] == "batch.node.ubuntu 24.04")
    assert ubuntu["osType"] == "linux"
    assert {**MACHINE["imageReference"], "version": "latest"} in ubuntu["verifiedImageReferences"]
    query = asked(first, **{"$filter": "osType eq 'windows'"})
    windows = (await send(url, "GET", "/nodeagentskus", query)).body["value"]
    assert [agent["id"] for agent in windows] == ["batch.node.windows amd64"]
    assert (await send(url, "GET", "/supportedimages", asked(first))).status == 404
    assert (await send(url, "GET", "/nodeagentskus", asked(SERVED[1]))).status == 404


@pytest.mark.parametrize("version", BEFORE_SLOTS)
async def test_task_slots_have_their_former_name(url, version):
    pool = {"id": new_id("former"), "vmSize": "small", "virtualMachineConfiguration": MACHINE, "maxTasksPerNode": 3}
    assert (await send(url, "POST", "/pools", asked(version), pool)).status == 201
    path = f"/pools/{pool['id']}"
    former = (await send(url, "GET", path, asked(version))).body
    assert former["maxTasksPerNode"] == 3
    assert "taskSlotsPerNode" not in former
    assert (await send(url, "GET", path)).body["taskSlotsPerNode"] == 3
    selected = (await send(url, "GET", path, asked(version, **{"$select": "id,maxTasksPerNode"}))).body
    assert (selected["id"], selected["maxTasksPerNode"]) == (pool["id"], 3)
    assert (await send(url, "GET", path, {"$select": "maxTasksPerNode"})).status == 400
    listed = (await send(url, "GET", "/pools", asked(version))).body["value"]
    assert 3 in [each["maxTasksPerNode"] for each in listed if each["id"] == pool["id"]]


async def test_a_jobs_own_pool_has_the_former_name_as_well(url):
    version = BEFORE_SLOTS[0]
    pool = {"vmSize": "small", "virtualMachineConfiguration": MACHINE, "maxTasksPerNode": 2}
    info = {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}
    job_id = new_id("former")
    assert (await send(url, "POST", "/jobs", asked(version), {"id": job_id, "poolInfo": info})).status == 201
    job = (await send(url, "GET", f"/jobs/{job_id}", asked(version))).body
    assert job["poolInfo"]["autoPoolSpecification"]["pool"]["maxTasksPerNode"] == 2
    pool_id = job["executionInfo"]["poolId"]
    assert (await send(url, "GET", f"/pools/{pool_id}")).body["taskSlotsPerNode"] == 2
    await send(url, "DELETE", f"/jobs/{job_id}")


async def test_a_refusal_names_a_property_as_the_client_knows_it(url):
    pool = {"id": new_id("former"), "vmSize": "small", "maxTasksPerNode": 1000}
    answer = await send(url, "POST", "/pools", asked(BEFORE_SLOTS[-1]), pool)
    assert (answer.status, values(answer)["PropertyName"]) == (400, "maxTasksPerNode")


def test_versions_compare_by_their_dates():
    assert [ApiVersion(name=name).has_task_slots for name in SERVED] == [False] * 4 + [True] * 9
    assert [ApiVersion(name=name).lists_node_agents for name in SERVED] == [True] + [False] * 12
