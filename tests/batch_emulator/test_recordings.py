"""Headers and server-side defaults as in Microsoft's recordings of the real service.

The recordings: https://github.com/Azure/azure-sdk-assets, python/sdk/batch, made in March 2025 with
api-version 2024-07-01.20.0. Left out here: Strict-Transport-Security, which plain HTTP cannot have, and Server.
"""

import pytest
from azure.batch.models import BatchJobDisableOptions

from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.signed import send

COMMON = {"dataserviceversion", "date", "request-id", "x-content-type-options"}
VERSION = {"etag", "last-modified"}
BODY = {"content-type"}
ADDRESS = {"dataserviceid"}
#: What any server adds to say where an answer ends.
FRAMING = {"content-length", "transfer-encoding", "server"}


def names(answer):
    return {name.lower() for name in answer.headers} - FRAMING - COMMON


async def ask(url, method, path, body=None):
    answer = await send(url, method, path, body=body)
    assert answer.status < 300, answer.body
    assert {name.lower() for name in answer.headers} >= COMMON
    return answer


async def test_what_is_created_has_an_address_and_a_version(url, pool):
    job_id = new_id("recorded")
    answer = await ask(url, "POST", "/jobs", {"id": job_id, "poolInfo": {"poolId": pool}})
    assert names(answer) == VERSION | ADDRESS | {"location"}
    # A quirk of the service: whatever the job's id, it says job-1.
    assert answer.headers["DataServiceId"] == f"{url}/jobs/job-1"
    task = await ask(url, "POST", f"/jobs/{job_id}/tasks", {"id": "t", "commandLine": "true"})
    assert names(task) == VERSION | ADDRESS | {"location"}
    assert task.headers["DataServiceId"] == f"{url}/jobs/{job_id}/tasks/t"


@pytest.mark.parametrize(
    ("method", "action", "body", "status"),
    [
        ("PATCH", "", {"priority": 900}, 200),
        ("POST", "/disable", {"disableTasks": "requeue"}, 202),
        ("POST", "/terminate", None, 202),
    ],
)
async def test_a_change_of_a_job_names_itself_and_the_new_version(url, job, method, action, body, status):
    before = await ask(url, "GET", f"/jobs/{job}")
    answer = await ask(url, method, f"/jobs/{job}{action}", body)
    after = await ask(url, "GET", f"/jobs/{job}")
    assert answer.status == status
    assert names(answer) == VERSION | ADDRESS
    assert answer.headers["DataServiceId"] == f"{url}/jobs/{job}{action}"
    assert before.headers["ETag"] != answer.headers["ETag"] == after.headers["ETag"] == after.body["eTag"]


async def test_a_resource_has_its_version_in_the_headers_and_a_list_has_none(url, job, pool):
    assert names(await ask(url, "GET", f"/jobs/{job}")) == VERSION | BODY
    assert names(await ask(url, "GET", f"/pools/{pool}")) == VERSION | BODY
    assert names(await ask(url, "HEAD", f"/pools/{pool}")) == VERSION
    assert names(await ask(url, "GET", "/jobs")) == BODY
    assert names(await ask(url, "GET", "/nodecounts")) == BODY


async def test_a_node_has_no_version(url, pool):
    nodes = await ask(url, "GET", f"/pools/{pool}/nodes")
    node = await ask(url, "GET", f"/pools/{pool}/nodes/{nodes.body['value'][0]['id']}")
    assert names(nodes) == names(node) == BODY


async def test_a_deletion_says_nothing(url, batch, job):
    assert names(await ask(url, "DELETE", f"/jobs/{job}")) == set()


async def test_states_of_passage_are_no_previous_states(batch, job):
    disabling = BatchJobDisableOptions(disable_tasks="requeue")
    poller = await batch.client.begin_disable_job(job, disabling, polling_interval=0.02)
    await poller.result()
    disabled = await batch.client.get_job(job)
    assert (disabled.state, disabled.previous_state) == ("disabled", "active")
    assert disabled.previous_state_transition_time == disabled.creation_time
    poller = await batch.client.begin_enable_job(job, polling_interval=0.02)
    await poller.result()
    enabled = await batch.client.get_job(job)
    assert (enabled.state, enabled.previous_state) == ("active", "disabled")
    assert enabled.previous_state_transition_time == disabled.state_transition_time


async def test_a_job_has_its_reason_when_it_begins_to_end_and_its_end_time_when_it_has_ended(url, batch, job):
    await ask(url, "POST", f"/jobs/{job}/terminate", {"terminateReason": "enough"})
    seen = [await batch.client.get_job(job)]
    while seen[-1].state != "completed":
        seen.append(await batch.client.get_job(job))
    assert {found.execution_info.termination_reason for found in seen} == {"enough"}
    assert {found.execution_info.end_time for found in seen if found.state == "terminating"} <= {None}
    assert seen[-1].previous_state == "active"
    assert seen[-1].execution_info.end_time == seen[-1].state_transition_time


async def test_deleting_makes_a_new_version_of_a_pool(url, batch):
    pool_id = await batch.ready_pool(1)
    before = await ask(url, "GET", f"/pools/{pool_id}")
    await ask(url, "DELETE", f"/pools/{pool_id}")
    after = await ask(url, "GET", f"/pools/{pool_id}")
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.body["lastModified"] == after.body["stateTransitionTime"]
