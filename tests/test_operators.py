"""What a person sees and does when something waits, was forgotten or shall stop: the whole system, over HTTP.

No event ever comes in this stack (its blob trigger waits for Event Grid), so that files go in through the sweep, by
hand, or out of the poison queue.
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from azure.batch.models import BatchPoolResizeOptions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from tests.system import System, running_system, until

UNKNOWN = "20261123T080102-nobody-0123456789abcdef"
COMMAND = """/bin/bash -c 'cat "$INPUT_FILE"; case "$INPUT_BLOB" in long*) sleep 600;; fail*) exit 3;; esac'"""
POOL = "files-pool"


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    every_second = dict.fromkeys(("COLLECT_SCHEDULE", "SWEEP_SCHEDULE"), "* * * * * *")
    async with running_system(
        tmp_path_factory.mktemp("stack"),
        TASK_COMMAND_LINE=COMMAND,
        BLOB_TRIGGER_SOURCE="EventGrid",
        **every_second,
        # Long enough for a poison message to come first.
        SWEEP_GRACE="PT4S",
        EXPLAIN_AFTER="PT1S",
    ) as system:
        yield system


async def posted(system: System, name: str) -> str:
    await system.drop(name, b"text\n")
    _, submission = await system.post({"blob": name})
    return submission["task_id"]


async def shown(system: System, task_id: str, field: str, words: str) -> dict:
    """Wait until a field of the task's record holds these words."""

    async def found() -> dict | None:
        _, record = await system.get(f"tasks/{task_id}")
        return record if words in (record[field] or "") else None

    return await until(found)


async def printed(system: System, record: dict, text: bytes) -> None:
    """Wait until a running task has printed this text."""

    async def found() -> bool | None:
        with suppress(ResourceNotFoundError):
            file = await system.batch.download_task_file(record["job_id"], record["task_id"], "stdout.txt")
            return b"".join([chunk async for chunk in file]) == text or None
        return None

    await until(found)


async def test_a_running_task_is_cancelled_and_its_record_says_so_in_the_end(system):
    task_id = await posted(system, "long.txt")
    record = await shown(system, task_id, "reason", "it is running")
    assert (record["live"]["state"], record["node_id"]) == ("running", None)
    assert record["live"]["node_id"].startswith("tvmps_")
    await printed(system, record, b"text\n")
    status, reply = await system.post(path=f"tasks/{task_id}/cancel")
    assert (status, reply["reason"]) == (202, "being cancelled on request")
    record = await system.closed(task_id)
    assert (record["state"], record["reason"]) == ("cancelled", "cancelled on request")
    assert await system.content("long.txt", task_id) == b"text\n"
    status, reply = await system.post(path=f"tasks/{task_id}/cancel")
    assert (status, reply["error"]) == (409, f"task {task_id} has ended already (cancelled)")


async def test_a_retried_task_and_its_next_attempt_name_each_other(system):
    task_id = await posted(system, "fail.txt")
    assert (await system.closed(task_id))["state"] == "failed"
    status, new = await system.post(path=f"tasks/{task_id}/retry")
    assert (status, new["state"]) == (202, "submitted")
    assert new["status_url"] == f"{system.url}/api/tasks/{new['task_id']}"
    status, same = await system.post(path=f"tasks/{task_id}/retry")
    assert (new["is_new"], status, same["is_new"]) == (True, 200, False)
    record = await system.closed(new["task_id"])
    assert (record["attempt"], record["retry_of"], record["detected_by"]) == (2, task_id, "http")
    assert (await system.get(f"tasks/{task_id}"))[1]["retried_as"] == new["task_id"]


async def test_what_has_not_ended_cannot_be_retried(system):
    task_id = await posted(system, "long too.txt")
    status, reply = await system.post(path=f"tasks/{task_id}/retry")
    assert (status, reply["error"].partition(": ")[2]) == (409, "it can be retried when it has ended")
    await system.post(path=f"tasks/{task_id}/cancel")
    await system.closed(task_id)


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("task_id", ["nothing", UNKNOWN])
async def test_an_unknown_task_can_be_neither_cancelled_nor_retried(system, action, task_id):
    status, reply = await system.post(path=f"tasks/{task_id}/{action}")
    assert (status, task_id in reply["error"]) == (404, True)


async def test_a_task_says_that_it_waits_for_a_pool_without_nodes_and_runs_when_there_are_some(system):
    await resize(system, 0)
    task_id = await posted(system, "patient.txt")
    record = await shown(system, task_id, "reason", "no nodes")
    assert record["reason"] == f"it waits for a node of pool '{POOL}': it has no nodes, and is not getting any"
    assert record["state"] == "submitted"
    await resize(system, 1)
    record = await system.closed(task_id)
    assert (record["state"], record["reason"]) == ("succeeded", None)


async def resize(system: System, nodes: int) -> None:
    options = BatchPoolResizeOptions(target_dedicated_nodes=nodes)
    await (await system.batch.begin_resize_pool(POOL, options, polling_interval=0.05)).result()


async def test_a_file_whose_event_never_came_is_found_by_the_sweep(system):
    await system.drop("unseen.txt", b"text\n")
    (task_id,) = await system.outputs("unseen.txt")
    record = await system.closed(task_id)
    assert (record["state"], record["detected_by"]) == ("succeeded", "sweep")


async def test_an_event_that_the_host_gave_up_becomes_a_record_and_leaves_the_poison_queue(system):
    queue = system.queues.get_queue_client("webjobs-blobtrigger-poison")
    await system.drop("poison.txt", b"text\n")
    event = {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.submit_blob",
        "BlobType": "BlockBlob",
        "ContainerName": "input",
        "BlobName": "poison.txt",
        "ETag": (await system.blobs.get_blob_client("input", "poison.txt").get_blob_properties()).etag,
    }
    # The host makes it when it gives an event up for the first time.
    with suppress(ResourceExistsError):
        await queue.create_queue()
    await queue.send_message(base64.b64encode(json.dumps(event).encode()).decode())
    (task_id,) = await system.outputs("poison.txt")
    record = await system.closed(task_id)
    assert (record["state"], record["detected_by"]) == ("succeeded", "trigger")

    async def drained() -> bool | None:
        return (await queue.get_queue_properties()).approximate_message_count == 0 or None

    await until(drained)
    with pytest.raises(ResourceNotFoundError):
        await system.queues.get_queue_client(f"{queue.queue_name}-poison").get_queue_properties()
