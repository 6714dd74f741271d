"""The host's own account and that of the blobs are two, as they should be on Azure: what lies in which."""

import asyncio
import contextlib

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local import azurite
from local.host.queues.listener import encoded
from tests.app_hosts import app_host
from tests.batch_core.conftest import app  # noqa: F401 - a fixture
from tests.batch_core.steps import dropped, outputs
from tests.local.hosts import arrived, eventually, host
from tests.local.test_host_process import write_app

HOSTS, BLOBS = "hostsaccount", "blobsaccount"
APP = """
import json, os
import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient
from pathlib import Path
app = func.FunctionApp()

def note(kind, **seen):
    with Path(os.environ["JOURNAL"]).open("a") as journal:
        journal.write(json.dumps({"kind": kind, **seen}) + "\\n")

@app.blob_trigger("blob", "inbox/{name}", "DATA")
def faulty(blob: BlobClient):
    note("faulty", account=blob.account_name)
    raise ValueError("cannot take it")

@app.queue_trigger("msg", "webjobs-blobtrigger-poison", "DATA")
def poison(msg: func.QueueMessage):
    note("poison", blob=json.loads(msg.get_body())["BlobName"])
    raise ValueError("cannot take it")
"""


@pytest.fixture(scope="module")
async def accounts(logs):
    async with azurite.running(log=logs / "two-accounts.log", accounts=(HOSTS, BLOBS)) as running:
        yield {name: running.ports.connection_string_of(name) for name in (HOSTS, BLOBS)}


@pytest.fixture
async def running(accounts, tmp_path):
    write_app(tmp_path / "app", APP)
    async with (
        BlobServiceClient.from_connection_string(accounts[BLOBS]) as blobs,
        host(tmp_path / "app", accounts[HOSTS], tmp_path, DATA=accounts[BLOBS]) as running,
    ):
        with contextlib.suppress(ResourceExistsError):
            await blobs.create_container("inbox")
        await blobs.get_blob_client("inbox", "a.txt").upload_blob(b"abc", overwrite=True)
        yield running


async def queues_of(connection_string):
    async with QueueServiceClient.from_connection_string(connection_string) as client:
        return {queue.name async for queue in client.list_queues()}


async def test_poison_messages_lie_beside_the_blobs_and_one_that_fails_there_is_hidden(running, accounts):
    await eventually(lambda: running.notes("poison"), seconds=40)
    assert {note["account"] for note in running.notes("faulty")} == {BLOBS}
    assert len(running.notes("faulty")) == 5
    assert await queues_of(accounts[HOSTS]) == {"azure-webjobs-blobtrigger-testhost"}
    assert await queues_of(accounts[BLOBS]) == {"webjobs-blobtrigger-poison"}
    log = running.process.log
    await eventually(lambda: "stays invisible for ten minutes: queue=webjobs-blobtrigger-poison" in log.read_text())
    async with QueueServiceClient.from_connection_string(accounts[BLOBS]) as client:
        queue = client.get_queue_client("webjobs-blobtrigger-poison")
        assert (await queue.get_queue_properties()).approximate_message_count == 1
        assert [message async for message in queue.receive_messages()] == []
    assert len(running.notes("poison")) == 1


async def test_the_app_works_with_two_accounts(app, environment, accounts, tmp_path):  # noqa: F811
    async with app_host(app, environment | {"AzureWebJobsStorage": accounts[HOSTS]}, tmp_path):
        await dropped(app, "a.txt", b"text")
        async with asyncio.timeout(60):
            while not (found := await outputs(app)):
                await asyncio.sleep(0.2)
    assert [name.rpartition("/")[2] for name in found] == ["stdout.txt"]


async def test_a_message_that_names_no_function_falls_back_on_the_hosts_account(running, accounts):
    async with QueueServiceClient.from_connection_string(accounts[HOSTS]) as client:
        await client.get_queue_client("azure-webjobs-blobtrigger-testhost").send_message(encoded("no JSON"))
        await eventually(lambda: "poison_queue=webjobs-blobtrigger-poison" in running.process.log.read_text())
        queue = client.get_queue_client("webjobs-blobtrigger-poison")
        assert await arrived(queue) == [encoded("no JSON")]
