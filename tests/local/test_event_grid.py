import aiohttp
import pytest

from tests.local.hosts import eventually

HOOK = "/runtime/webhooks/blobs"
NOTIFICATION = {"aeg-event-type": "Notification"}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}


@pytest.fixture(scope="module")
async def http(running_host):
    async with aiohttp.ClientSession(running_host.url) as session:
        yield session


def created(url: str) -> dict:
    return {
        "topic": "/subscriptions/x/storageAccounts/y",
        "subject": "/blobServices/default/containers/events/blobs/a",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": "1",
        "data": {"api": "PutBlob", "eTag": "0x8D4BCC2E4835CD0", "blobType": "BlockBlob", "url": url},
        "dataVersion": "1",
        "metadataVersion": "1",
        "eventTime": "2026-11-22T10:00:00Z",
    }


async def test_a_created_blob_is_handled_and_not_found_by_scanning(http, running_host, blobs):
    blob = blobs.get_blob_client("events", "sub/a ü.txt")
    await blob.upload_blob(b"abc")
    event = created(blob.url)
    async with http.post(f"{HOOK}?functionName=Host.Functions.event", json=[event], headers=NOTIFICATION) as response:
        assert response.status == 202
    await eventually(lambda: running_host.notes("event"))
    assert running_host.notes("event") == [{"blob": "sub/a ü.txt"}]


async def test_a_subscription_is_validated(http):
    event = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "512d38b6"}}
    async with http.post(f"{HOOK}?functionName=Host.Functions.event", json=[event], headers=VALIDATION) as response:
        assert await response.json() == {"validationResponse": "512d38b6"}


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("functionName=Host.Functions.none", [], 404),
        ("functionName=Host.Functions.event", {"no": "array"}, 400),
        ("functionName=Host.Functions.event", [{"eventType": "Microsoft.Storage.BlobCreated"}], 400),
    ],
)
async def test_what_is_no_event_for_a_function_is_refused(http, query, body, status):
    async with http.post(f"{HOOK}?{query}", json=body, headers=NOTIFICATION) as response:
        assert response.status == status


async def test_a_post_that_does_not_say_what_it_is_is_refused(http):
    for headers in ({}, {"aeg-event-type": "Other"}):
        async with http.post(f"{HOOK}?functionName=Host.Functions.event", json=[], headers=headers) as response:
            assert response.status == 400
            assert "aeg-event-type" in await response.text()


async def test_neither_type_nor_path_of_an_event_is_looked_at(http, running_host, blobs):
    blob = blobs.get_blob_client("inbox", "of another container.txt")
    await blob.upload_blob(b"abc")
    event = created(blob.url) | {"eventType": "Microsoft.Storage.BlobDeleted"}
    async with http.post(f"{HOOK}?functionName=Host.Functions.event", json=[event], headers=NOTIFICATION) as response:
        assert response.status == 202
    await eventually(lambda: running_host.notes("event", blob="of another container.txt"))
