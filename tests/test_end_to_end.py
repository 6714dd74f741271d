"""The whole system as a user runs it: files go into a container, outputs come from another, HTTP reports the rest."""

import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.storage.blob import StandardBlobTier

from local import functions_host
from local.functions_host import HostKind
from local.ports import free_ports
from local.settings_file import AppSettings
from tests.raw_blobs import put_raw
from tests.system import System, running_system, until

COMMAND = """/bin/bash -c 'cat "$INPUT_FILE"; case "$INPUT_BLOB" in fail*) echo sorry >&2; exit 3;; esac'"""
FILES = {
    "text.txt": "Zwölf Boxkämpfer jagen Viktor\nüber den großen Sylter Deich.\n".encode(),
    "binary.bin": bytes(range(256)) * 64,
    "empty.txt": b"",
    'folder/it\'s a "name" with $(touch x) `id` & ümläuts; 100%2F.txt': b"awkward\n",
}


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("stack")
    async with running_system(folder, TASK_COMMAND_LINE=COMMAND, COLLECT_SCHEDULE="* * * * * *") as system:
        yield system


@pytest.mark.parametrize("name", FILES)
async def test_what_the_command_printed_arrives_byte_by_byte(system, name):
    await system.drop(name, FILES[name])
    (task_id,) = await system.outputs(name)
    assert await system.content(name, task_id) == FILES[name]
    record = await system.closed(task_id)
    assert (record["state"], record["exit_code"], record["blob"]) == ("succeeded", 0, name)
    assert record["detected_by"] == "trigger"


async def test_a_failing_command_is_failed_with_its_exit_code_and_its_stderr(system):
    await system.drop("fail.txt", b"half\n")
    (task_id,) = await system.outputs("fail.txt")
    record = await system.closed(task_id)
    assert (record["state"], record["exit_code"]) == ("failed", 3)
    assert record["reason"] == "the command ended with exit code 3"
    assert await system.content("fail.txt", task_id) == b"half\n"
    assert await system.content("fail.txt", task_id, "stderr.txt") == b"sorry\n"


async def test_what_cannot_be_run_is_reported_and_holds_up_nothing(system):
    await put_raw(system.blobs, "input", "../output/dots.txt", b"dots\n")
    await system.blobs.get_blob_client("input", "folder").upload_blob(b"", metadata={"hdi_isfolder": "true"})
    old = system.blobs.get_blob_client("input", "old.txt")
    await old.upload_blob(b"old\n", standard_blob_tier=StandardBlobTier.ARCHIVE)
    await system.drop("good.txt", b"good\n")
    await system.outputs("good.txt")
    status, reply = await system.post({"blob": "folder"})
    assert (status, reply["error"]) == (400, "blob 'folder' marks a folder: name a file in it")
    dots = await once(system, "../output/dots.txt", "rejected")
    assert "a part '.' or '..'" in dots["reason"]
    waiting = await once(system, "old.txt", "queued")
    assert waiting["reason"].startswith("archived: rehydrate it")
    await old.set_standard_blob_tier(StandardBlobTier.HOT)
    await system.post({"blob": "old.txt"})
    assert await system.content("old.txt", (await system.outputs("old.txt"))[0]) == b"old\n"
    # Each was taken from one message, and none was given up.
    queues = {q.name: system.queues.get_queue_client(q.name) async for q in system.queues.list_queues()}
    counts = {name: (await queue.get_queue_properties()).approximate_message_count for name, queue in queues.items()}
    assert {name: count for name, count in counts.items() if count} == {}
    assert not [name async for name in system.blobs.get_container_client("output").list_blob_names() if "dots" in name]


async def once(system: System, name: str, state: str) -> dict:
    """Submit a file by hand that the trigger has recorded, and see that it is in this state."""

    async def recorded() -> dict | None:
        status, reply = await system.post({"blob": name})
        return reply if status == 200 else None

    reply = await until(recorded)
    assert reply["state"] == state
    return reply


async def test_an_overwritten_file_has_both_outputs(system):
    await system.drop("again.txt", b"one\n")
    await system.outputs("again.txt")
    await system.drop("again.txt", b"two\n")
    tasks = await system.outputs("again.txt", count=2)
    assert {await system.content("again.txt", task_id) for task_id in tasks} == {b"one\n", b"two\n"}


async def test_a_second_delivery_of_the_same_event_makes_no_second_task(system):
    await system.drop("twice.txt", b"once\n")
    (task_id,) = await system.outputs("twice.txt")
    before = await system.tasks()
    etag = (await system.blobs.get_blob_client("input", "twice.txt").get_blob_properties()).etag
    (name,) = [q.name async for q in system.queues.list_queues() if q.name.startswith("azure-webjobs-blobtrigger-")]
    queue = system.queues.get_queue_client(name)
    event = {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.submit_blob",
        "BlobType": "BlockBlob",
        "ContainerName": "input",
        "BlobName": "twice.txt",
        "ETag": etag,
    }
    for _ in range(3):
        await queue.send_message(base64.b64encode(json.dumps(event).encode()).decode())

    async def drained() -> bool | None:
        return (await queue.get_queue_properties()).approximate_message_count == 0 or None

    await until(drained)
    assert await system.tasks() == before
    assert await system.outputs("twice.txt") == [task_id]


async def test_a_file_can_be_submitted_by_hand(system):
    await system.drop("hand.txt", b"by hand\n")
    (task_id,) = await system.outputs("hand.txt")
    status, same = await system.post({"blob": "hand.txt"})
    assert (status, same["task_id"], same["is_new"]) == (200, task_id, False)
    status, again = await system.post({"blob": "hand.txt", "force": True})
    assert (status, again["state"], again["is_new"]) == (202, "submitted", True)
    assert again["task_id"] != task_id
    async with system.http.get(again["status_url"]) as response:
        assert (await response.json())["attempt"] == 2
    assert (await system.closed(again["task_id"]))["detected_by"] == "http"
    assert await system.content("hand.txt", again["task_id"]) == b"by hand\n"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"blob": "no such file.txt"}, 404, "no blob 'no such file.txt'"),
        (b"{", 400, "not JSON"),
        ({"file": "a", "force": 1}, 400, "'force' is a number"),
    ],
)
async def test_a_wrong_submission_learns_what_is_wrong(system, body, status, words):
    reply, document = await system.post(body)
    assert reply == status
    assert words in document["error"]


@pytest.mark.parametrize("task_id", ["nothing", "20261123T080102-nobody-0123456789abcdef"])
async def test_an_unknown_task_is_not_found(system, task_id):
    assert (await system.get(f"tasks/{task_id}"))[0] == 404


async def test_health_says_that_everything_works(system):
    status, document = await system.get("health")
    assert (status, document["status"]) == (200, "ok")
    services = ["settings", "input container", "output container", "table", "batch", "pool"]
    assert list(document["checks"]) == [*services, "open work", "clock"]


async def test_wrong_settings_break_nothing_but_are_reported_by_every_call(storage, tmp_path):
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": storage.connection_string,
        "DATA_STORAGE": storage.connection_string,
        "BATCH_POOL_ID": "my pool",
    }
    (port,) = free_ports(1)
    settings = AppSettings(file=tmp_path / "none", values=values, host_port=port)
    async with (
        functions_host.running(HostKind.EMBEDDED, settings, log=tmp_path / "host.log") as host,
        aiohttp.ClientSession() as http,
    ):
        assert {"submit_blob", "collect_outputs", "post_task", "get_task", "get_health"} < set(host.functions)
        for path in ("health", "tasks/any"):
            async with http.get(f"{host.url}/api/{path}") as response:
                assert response.status == 503
                reply = await response.text()
                assert "BATCH_ENDPOINT is missing" in reply
                assert "BATCH_POOL_ID is 'my pool'" in reply
