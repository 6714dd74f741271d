"""The queue is called without an SDK: what is signed is compared with what the SDK signs, and Azurite checks it."""

import base64
import hmac
from hashlib import sha256

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo, AzureNamedKeyCredential
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.storage.queue.aio import QueueClient

from batch_core.app import open_app
from batch_core.clocks import ServiceClock
from batch_core.config.settings import Settings
from batch_core.config.storage_connection import queue_endpoint_of
from batch_core.errors import AccessDenied, Conflict, Missing, NothingListens, Refused, Unavailable
from batch_core.services.shared_key import string_to_sign
from batch_core.services.storage_queue import MAX_TEXT, StorageQueue
from batch_core.services.transport import BriefTransport
from local.azurite import ACCOUNT_KEY, ACCOUNT_NAME


@pytest.fixture
async def queue(environment, events_queue):
    app = open_app(Settings.from_env(environment))
    await app.queue.create()
    yield app.queue
    await app.clients.close()


@pytest.fixture
def sdk(environment, events_queue):
    return QueueClient.from_connection_string(environment["DATA_STORAGE"], events_queue)


async def test_a_message_arrives_in_base64_as_it_was_sent(queue, sdk):
    await queue.send("größe 漢字 \x00 <&>")
    async with sdk:
        (message,) = [one async for one in sdk.receive_messages()]
    assert base64.b64decode(message.content, validate=True).decode() == "größe 漢字 \x00 <&>"
    assert await queue.message_count() == 1


async def test_a_queue_is_made_once_and_deleted_once(queue):
    with pytest.raises(Conflict) as caught:
        await queue.create()
    assert caught.value.code == "QueueAlreadyExists"
    await queue.delete()
    for asked in (queue.delete, queue.message_count, lambda: queue.send("x")):
        with pytest.raises(Missing, match="QueueNotFound"):
            await asked()


async def test_the_longest_message_is_taken_and_a_longer_one_refused(queue):
    await queue.send("x" * MAX_TEXT)
    with pytest.raises(Refused, match="RequestBodyTooLarge"):
        await queue.send("x" * (MAX_TEXT + 1))


async def test_who_may_send_is_found_out_without_a_message(queue, environment):
    await queue.try_sending()
    assert await queue.message_count() == 0
    wrong = environment | {"DATA_STORAGE": environment["DATA_STORAGE"].replace(ACCOUNT_KEY, "d3Jvbmc=")}
    app = open_app(Settings.from_env(wrong))
    try:
        for asked in (app.queue.try_sending, lambda: app.queue.send("x"), app.queue.message_count):
            with pytest.raises(AccessDenied) as caught:
                await asked()
            assert "d3Jvbmc=" not in str(caught.value)
    finally:
        await app.clients.close()


async def test_a_busy_queue_is_asked_again_and_then_left(queue, pauses, monkeypatch, calls):
    async def busy(self, request, **options):
        answer = await send(self, request, **options)
        answer.status_code, answer.headers["x-ms-error-code"] = 503, "ServerBusy"
        return answer

    send = AioHttpTransport.send
    with monkeypatch.context() as patch:
        patch.setattr(AioHttpTransport, "send", busy)
        with pytest.raises(Unavailable, match="HTTP 503, ServerBusy"):
            await queue.message_count()
    # None before the second of its four tries.
    assert len(pauses) == 2
    assert len(calls) == 4


async def test_a_message_whose_answer_was_lost_is_sent_again(queue, pauses, monkeypatch, calls):
    send = AioHttpTransport.send

    async def losing(self, request, **options):
        answer = await send(self, request, **options)
        if len(calls) == 1:
            raise ServiceResponseError("the connection was lost")
        return answer

    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(AioHttpTransport, "send", losing)
        await queue.send("x")
    assert await queue.message_count() == 2


async def test_a_queue_that_nothing_listens_for_is_named_at_once():
    credential = AzureNamedKeyCredential(ACCOUNT_NAME, ACCOUNT_KEY)
    queue = StorageQueue("http://127.0.0.1:9", "q", credential, BriefTransport(ServiceClock(service="Queue Storage")))
    with pytest.raises(NothingListens, match=r"127\.0\.0\.1:9"):
        await queue.send("x")
    await queue.close()


async def test_an_identity_sends_its_token_and_no_key(monkeypatch):
    class Identity:
        async def get_token(self, *scopes, **options):
            return AccessToken("token-1", 2**33)

        async def get_token_info(self, *scopes, options=None):
            assert scopes == ("https://storage.azure.com/.default",)
            return AccessTokenInfo("token-1", 2**33)

    sent = []

    async def refusing(self, request, **options):
        sent.append(request)
        raise NothingListens("there")

    monkeypatch.setattr(BriefTransport, "send", refusing)
    queue = StorageQueue(
        "https://a.queue.core.windows.net", "q", Identity(), BriefTransport(ServiceClock(service="Queue Storage"))
    )
    with pytest.raises(NothingListens):
        await queue.send("x")
    (request,) = sent
    assert request.headers["Authorization"] == "Bearer token-1"
    assert (request.method, request.url) == ("POST", "https://a.queue.core.windows.net/q/messages")
    assert request.headers["x-ms-version"] >= "2017-11-09"


async def test_what_is_signed_is_what_the_sdk_signs(sdk, monkeypatch):
    """The SDK's own requests get the same signature from us."""
    seen = []
    send = AioHttpTransport.send

    async def seeing(self, request, **options):
        seen.append(request)
        return await send(self, request, **options)

    monkeypatch.setattr(AioHttpTransport, "send", seeing)
    async with sdk:
        await sdk.create_queue()
        await sdk.send_message("text", time_to_live=60, visibility_timeout=0)
        await sdk.get_queue_properties()
        await sdk.delete_queue()
    for request in seen:
        ours = string_to_sign(request.method, request.url, request.headers, ACCOUNT_NAME)
        assert request.headers["Authorization"] == f"SharedKey {ACCOUNT_NAME}:{_signature(ours)}"
    assert [request.method for request in seen] == ["PUT", "POST", "GET", "DELETE"]


def _signature(text: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(ACCOUNT_KEY), text.encode(), sha256)).decode()


def test_an_empty_body_has_no_length_in_what_is_signed():
    request = HttpRequest("PUT", "https://a.queue.core.windows.net/q", headers={"Content-Length": "0"})
    signed = string_to_sign(request.method, request.url, request.headers, "a")
    assert signed == "PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/q"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("AccountName=a;AccountKey=a2V5", "https://a.queue.core.windows.net"),
        ("AccountName=a;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn", "https://a.queue.core.chinacloudapi.cn"),
        ("AccountName=a;AccountKey=a2V5;QueueEndpoint=https://q.example/", "https://q.example"),
    ],
)
def test_the_queues_url_follows_from_the_connection_string(text, url):
    assert queue_endpoint_of(text) == url
