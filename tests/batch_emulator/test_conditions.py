"""Every operation that takes conditions, by the SDK's own signatures, keeps them: 304 for reading, else 412."""

import inspect
import re
from urllib.parse import quote

import pytest
from azure.batch import BatchClient

from batch_emulator.routes import ROUTES
from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.hostile_bodies import BODIES
from tests.batch_emulator.signed import send

EARLY, LATE = "Thu, 01 Jan 2004 00:00:00 GMT", "Mon, 01 Jan 2035 00:00:00 GMT"


def takes(parameter):
    """Return the operations that take a parameter."""
    return [each for each in ROUTES if parameter in inspect.signature(_function(each.name)).parameters]


def _function(name):
    return getattr(BatchClient, name, None) or getattr(BatchClient, f"begin_{name}")


VERSIONED = takes("match_condition")
DATED = takes("if_modified_since")


@pytest.fixture(scope="module")
async def things(url, batch):
    """One of each kind, by the names of variable parts of paths."""
    pool = await batch.ready_pool(1)
    job = await batch.job(pool)
    await batch.run(job, "/bin/echo hello")
    (node,) = [node.id async for node in batch.client.list_nodes(pool)]
    schedule = new_id("schedule")
    made = await send(url, "POST", "/jobschedules", body=BODIES["create_job_schedule"][0] | {"id": schedule})
    assert made.status == 201
    file = f"workitems/{job}/job-1/task/stdout.txt"
    return {"poolId": pool, "jobId": job, "taskId": "task", "nodeId": node, "jobScheduleId": schedule, "nodeFile": file}


async def ask(url, operation, things, headers):
    names = things | {"filePath": things["nodeFile"] if "nodes" in operation.path else "stdout.txt"}
    path = re.sub(r"\{(\w+)\}", lambda match: quote(names[match[1]], safe=""), operation.path)
    body = BODIES[operation.name][0] if operation.name in BODIES else None
    return await send(url, operation.method, path, body=body, headers=headers)


#: The paths of resources that have versions; the longer ones first.
KINDS = ("/jobs/{jobId}/tasks/{taskId}", "/jobs/{jobId}", "/jobschedules/{jobScheduleId}", "/pools/{poolId}")


async def version_of(url, operation, things):
    """Return the ETag of the resource that an operation is about."""
    kind = next(kind for kind in KINDS if operation.path.startswith(kind))
    path = kind.format(**things)
    return (await send(url, "GET", path)).headers["ETag"]


def reads(operation):
    return operation.method in {"GET", "HEAD"}


def is_refused(operation, answer, status):
    """Return whether an answer says that the condition is not met, in the service's shape where it has a body."""
    if answer.status != status:
        return False
    has_body = operation.method != "HEAD" and status != 304
    return not has_body or answer.body["code"] == "ConditionNotMet"


def test_the_sdk_knows_operations_with_conditions():
    assert len(VERSIONED) == 28
    assert {each.name for each in DATED} - {each.name for each in VERSIONED} == {
        "download_task_file",
        "get_task_file_properties",
        "download_node_file",
        "get_node_file_properties",
    }


@pytest.mark.parametrize("operation", VERSIONED, ids=lambda each: each.name)
async def test_another_version_than_the_expected_is_refused(url, things, operation):
    before = await version_of(url, operation, things)
    answer = await ask(url, operation, things, {"If-Match": '"0x1"'})
    assert is_refused(operation, answer, 412), answer
    answer = await ask(url, operation, things, {"If-None-Match": before})
    assert is_refused(operation, answer, 304 if reads(operation) else 412), answer
    assert await version_of(url, operation, things) == before


@pytest.mark.parametrize("operation", DATED, ids=lambda each: each.name)
async def test_another_age_than_the_expected_is_refused(url, things, operation):
    answer = await ask(url, operation, things, {"If-Unmodified-Since": EARLY})
    assert is_refused(operation, answer, 412), answer
    answer = await ask(url, operation, things, {"If-Modified-Since": LATE})
    assert is_refused(operation, answer, 304 if reads(operation) else 412), answer


@pytest.mark.parametrize("operation", [each for each in DATED if reads(each)], ids=lambda each: each.name)
async def test_what_is_as_expected_is_answered(url, things, operation):
    headers = {"If-Modified-Since": EARLY, "If-Unmodified-Since": LATE}
    if operation in VERSIONED:
        headers |= {"If-Match": await version_of(url, operation, things), "If-None-Match": '"0x1"'}
    assert (await ask(url, operation, things, headers)).status == 200


@pytest.mark.parametrize("date", ["yesterday", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
async def test_what_is_no_date_is_refused(url, date):
    pool = new_id("pool")
    assert (await send(url, "POST", "/pools", body=BODIES["create_pool"][0] | {"id": pool})).status == 201
    answer = await send(url, "GET", f"/pools/{pool}", headers={"If-Modified-Since": date})
    assert (answer.status, answer.body["code"]) == (400, "InvalidHeaderValue")
