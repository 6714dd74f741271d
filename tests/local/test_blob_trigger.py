import asyncio

import pytest

from local.host.queues.listener import encoded
from tests.local.hosts import eventually
from tests.raw_blobs import put_raw

RECEIPTS = "blobreceipts/testhost/Host.Functions."


async def upload(blobs, container: str, name: str, content: bytes = b"abc") -> str:
    blob = blobs.get_blob_client(container, name)
    await blob.upload_blob(content, overwrite=True)
    return (await blob.get_blob_properties()).etag


async def seen(host, kind: str, count: int, **wanted) -> list[dict]:
    """Wait for `count` notes, and a little for one too many."""
    await eventually(lambda: len(host.notes(kind, **wanted)) >= count)
    await asyncio.sleep(0.7)
    notes = host.notes(kind, **wanted)
    assert len(notes) == count
    return notes


AWKWARD_NAMES = [
    "plain.txt",
    "with space.txt",
    "'single' and \"double\".txt",
    "umlaut-äöü-日本.txt",
    "$(touch x);`touch y`&&.txt",
    "percent%2Fslash%20.txt",
    "deep/er/still.txt",
    "plus+and#hash?mark.txt",
    "-rf",
    "back\\slash.txt",
]


async def test_every_blob_is_handled_once_whatever_its_name(running_host, blobs):
    names = [f"awkward/{name}" for name in AWKWARD_NAMES]
    await asyncio.gather(*(upload(blobs, "inbox", name) for name in names))
    await eventually(lambda: len(running_host.notes("client")) >= len(names))
    await asyncio.sleep(0.7)
    notes = [n["blob"] for n in running_host.notes("client") if n["blob"].startswith("awkward/")]
    # The SDK writes a backslash in a name as a slash.
    assert sorted(notes) == sorted(name.replace("\\", "/") for name in names)


async def test_a_name_that_no_url_keeps_is_handled_once_and_costs_next_to_nothing(running_host, blobs, queues):
    names = ["../faulty/dots.txt", "dots/../x.txt", "dots/./y.txt", "dots/.."]
    before = running_host.process.log.read_text().count("Cannot")
    for name in names:
        await put_raw(blobs, "inbox", name)
    await eventually(lambda: {n["blob"] for n in running_host.notes("client")} >= set(names))
    # Some listings later there is still one invocation for each, and no trouble.
    await asyncio.sleep(2)
    notes = [n["blob"] for n in running_host.notes("client")]
    assert [notes.count(name) for name in names] == [1] * len(names)
    assert running_host.process.log.read_text().count("Cannot") == before
    queue = queues.get_queue_client("azure-webjobs-blobtrigger-testhost")
    assert (await queue.get_queue_properties()).approximate_message_count == 0
    container = blobs.get_container_client("azure-webjobs-hosts")
    receipts = [r async for r in container.list_blob_names(name_starts_with=f"{RECEIPTS}client/")]
    assert len([r for r in receipts if r.endswith("/inbox/%2E%2E/faulty/dots.txt")]) == 1


async def test_an_overwritten_blob_is_handled_again(running_host, blobs):
    await upload(blobs, "inbox", "twice.txt", b"one")
    await seen(running_host, "client", 1, blob="twice.txt")
    await upload(blobs, "inbox", "twice.txt", b"two")
    notes = await seen(running_host, "client", 2, blob="twice.txt")
    assert [note["blob"] for note in notes] == ["twice.txt", "twice.txt"]


async def test_a_receipt_is_left_where_the_real_host_would_look_for_it(running_host, blobs):
    etag = await upload(blobs, "inbox", "a receipt.txt")
    assert etag.startswith('"0x')
    receipt = blobs.get_blob_client("azure-webjobs-hosts", f"{RECEIPTS}client/{etag}/inbox/a receipt.txt")
    while not await receipt.exists():
        await asyncio.sleep(0.05)
    properties = await receipt.get_blob_properties()
    assert (properties.size, properties.metadata) == (0, {})


async def test_blobs_written_in_the_same_second_as_a_seen_one_are_not_missed(running_host, blobs):
    for number in range(12):
        await upload(blobs, "inbox", f"burst-{number}.txt")
        await asyncio.sleep(0.11)
    wanted = {f"burst-{number}.txt" for number in range(12)}

    def missed():
        return wanted - {note["blob"] for note in running_host.notes("client")}

    await eventually(lambda: not missed())
    assert missed() == set()


async def test_content_goes_to_a_function_that_asks_for_it_and_only_for_matching_names(running_host, blobs):
    await upload(blobs, "raw", "in/other.txt")
    await upload(blobs, "raw", "elsewhere/a.bin")
    await upload(blobs, "raw", "in/a.bin", bytes([0, 255, 128, 10]))
    assert await seen(running_host, "content", 1) == [{"blob": "raw/in/a.bin", "hex": "00ff800a"}]


async def test_a_failing_blob_is_tried_as_often_as_host_json_says_and_then_poison(running_host, blobs):
    etag = await upload(blobs, "faulty", "bad one.txt")
    await eventually(lambda: len(running_host.notes("faulty", blob="bad one.txt")) == 3)
    assert await seen(running_host, "poisoned", 1, BlobName="bad one.txt") == [
        {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.faulty",
            "BlobType": "BlockBlob",
            "ContainerName": "faulty",
            "BlobName": "bad one.txt",
            "ETag": etag,
        }
    ]
    log = running_host.process.log.read_text()
    assert log.count("ValueError: cannot take bad one.txt") == 3
    assert 'in faulty\n        raise ValueError(f"cannot take' in log


async def test_extra_keys_of_a_log_record_are_lost_as_they_are_on_azure(running_host, blobs):
    await upload(blobs, "inbox", "to be logged.txt")
    await eventually(lambda: running_host.notes("client", blob="to be logged.txt"))
    log = running_host.process.log.read_text()
    assert "info    app: Saw a blob [client " in log


@pytest.mark.parametrize("text", ["no JSON", '{"FunctionId": "Host.Functions.gone"}'])
async def test_a_message_that_is_none_becomes_poison_and_stops_nothing(running_host, blobs, queues, text):
    queue = queues.get_queue_client("azure-webjobs-blobtrigger-testhost")
    await queue.send_message(encoded(text))
    name = f"after-{len(text)}.txt"
    await upload(blobs, "inbox", name)
    (note,) = await eventually(lambda: running_host.notes("client", blob=name))
    assert note["blob"] == name
