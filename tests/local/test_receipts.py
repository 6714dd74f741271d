"""A blob goes into the queue once, whatever becomes of its receipt."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from azure.core.exceptions import HttpResponseError

from local.host.blobs.message import BlobMessage
from local.host.blobs.path import BlobPath
from local.host.blobs.receipts import Receipts
from local.host.blobs.scan import BlobScan
from local.host.invoker import Invoker


@pytest.fixture
async def containers(storage, blobs):
    """A container with one blob, and the name of a container for receipts that does not exist yet."""
    await blobs.create_container("receipted")
    await blobs.get_blob_client("receipted", "a.txt").upload_blob(b"text")
    yield blobs.get_container_client("receipted"), blobs.get_container_client("missing-hosts")
    for name in ("receipted", "missing-hosts"):
        if await blobs.get_container_client(name).exists():
            await blobs.delete_container(name)


@asynccontextmanager
async def scanning(container, receipts):
    """Scan the container; gives what was put in the queue so far."""
    enqueued: list[BlobMessage] = []

    async def enqueue(message: BlobMessage) -> None:
        enqueued.append(message)

    path = BlobPath.parse("receipted/{name}")
    scan = BlobScan(function="f", path=path, container=container, receipts=receipts, enqueue=enqueue, invoker=Invoker())
    running = asyncio.create_task(scan.run())
    try:
        yield enqueued
    finally:
        running.cancel()


async def until(is_so):
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_a_receipt_that_cannot_be_written_yet_is_written_later_and_nothing_is_repeated(
    containers, caplog, monkeypatch
):
    container, hosts = containers
    receipts = Receipts(hosts, "testhost", "f")
    # Somebody deletes the host's container while it runs.
    monkeypatch.setattr(receipts, "load", lambda: asyncio.sleep(0))
    async with scanning(container, receipts) as enqueued:
        await until(lambda: caplog.text.count("Cannot put a blob in the queue") >= 3)
        assert len(enqueued) == 1
        await hosts.create_container()
        await until(lambda: not receipts.is_owed(enqueued[0]))
    assert len(enqueued) == 1
    assert [name async for name in hosts.list_blob_names()] == [
        f"blobreceipts/testhost/f/{enqueued[0].etag}/receipted/a.txt"
    ]


async def test_a_receipt_that_storage_never_takes_is_reported_once_and_nothing_is_repeated(
    containers, caplog, monkeypatch
):
    container, hosts = containers
    await hosts.create_container()
    receipts = Receipts(hosts, "testhost", "f")
    tries = 0

    # Azurite takes names of any length; Azure does not.
    async def refuse(*_, **__):
        nonlocal tries
        tries += 1
        error = HttpResponseError("The specified resource name length is not within the permissible limits.")
        error.status_code = 400
        raise error

    monkeypatch.setattr(hosts, "upload_blob", refuse)
    listed = 0
    list_blobs = container.list_blobs

    def counting(**options):
        nonlocal listed
        listed += 1
        return list_blobs(**options)

    monkeypatch.setattr(container, "list_blobs", counting)
    async with scanning(container, receipts) as enqueued:
        await until(lambda: listed >= 4)
    assert (len(enqueued), tries) == (1, 1)
    assert caplog.text.count("Storage takes no receipt for blob 'a.txt'") == 1


async def test_a_name_that_no_url_keeps_has_a_receipt_that_the_next_host_finds(containers):
    _, hosts = containers
    await hosts.create_container()
    message = BlobMessage(function="f", container="receipted", blob="../other/./x", etag='"0x1"')
    await Receipts(hosts, "testhost", "f").add(message)
    assert [name async for name in hosts.list_blob_names()] == [
        'blobreceipts/testhost/f/"0x1"/receipted/%2E%2E/other/%2E/x'
    ]
    restarted = Receipts(hosts, "testhost", "f")
    await restarted.load()
    assert await restarted.has(message)
