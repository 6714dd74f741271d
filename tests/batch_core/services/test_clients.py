import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceResponseTimeoutError
from azure.core.pipeline.policies import RetryMode
from azure.identity.aio import DefaultAzureCredential

from batch_core import hand_over as hand_over_module
from batch_core.app import App, open_app
from batch_core.cancel import IN_FLIGHT, cancel
from batch_core.clocks import CLOCK_MARGIN
from batch_core.config.settings import BatchAccount, StorageConnection
from batch_core.errors import ServiceError, Unavailable
from batch_core.hand_over import KNOWN_FOR, hand_over
from batch_core.services import call_limits
from batch_core.services.call_limits import LONGEST_CALL
from batch_core.services.identities import BriefIdentity
from batch_core.services.task_files import TaskFile
from batch_core.services.transport import BriefTransport
from batch_core.state.changes import Change
from tests.batch_core.steps import dropped, later, record_of, recorded_only, tasks_of

SERVICES = ("blob", "table", "batch")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nocp-batch-file-mode: 0o100644\r\n"


def pipelines(app: App) -> dict[str, Any]:
    """Return the pipeline of each client that the app calls, down to the blob's and the table's own."""
    opened = app.clients
    return {
        "blob": opened.blobs.get_blob_client("c", "b")._pipeline,
        "container": opened.blobs.get_container_client("c")._pipeline,
        "account": opened.blobs._pipeline,
        "table": opened.tables.get_table_client("t")._client._client._pipeline,
        "tables": opened.tables._client._client._pipeline,
        "batch": opened.batch._client._pipeline,
    }


def retries_of(pipeline: Any) -> Any:
    (policy,) = [one for one in pipeline._impl_policies if hasattr(one, "total_retries")]
    return policy


def transport_of(pipeline: Any) -> Any:
    transport = pipeline._transport
    return getattr(transport, "_transport", transport)


def longest_pause_of(policy: Any, tries: int) -> float:
    """Return the longest pause that the policy makes by itself."""
    if hasattr(policy, "backoff_factor"):
        assert policy.retry_mode is RetryMode.Exponential
        return policy.backoff_max
    return max(policy.get_backoff_time({"count": count}) for count in range(1, tries + 1))


@pytest.fixture
def settings(environment, storage_app):
    return storage_app.settings


async def test_the_longest_call_is_what_the_policies_of_the_real_clients_allow(storage_app):
    for name, pipeline in pipelines(storage_app).items():
        policy, transport = retries_of(pipeline), transport_of(pipeline)
        tries = 1 + max(policy.total_retries, policy.connect_retries, policy.read_retries, policy.status_retries)
        assert isinstance(transport, BriefTransport), name
        a_try = transport.connection_config.timeout + transport.connection_config.read_timeout
        pauses = (tries - 1) * max(call_limits.LONGEST_PAUSE, longest_pause_of(policy, tries))
        allowed = timedelta(seconds=call_limits.LONGEST_TOKEN + tries * a_try + pauses)
        assert allowed == LONGEST_CALL, name


def test_cancel_waits_longer_than_the_calls_of_a_submission_that_knows_its_record():
    # The table's call that read the record, and the one that adds the task; the delegation key's comes before that.
    assert IN_FLIGHT - CLOCK_MARGIN >= KNOWN_FOR + 2 * LONGEST_CALL


# A server that answers as it likes


@asynccontextmanager
async def server(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Answer every request so; yields the endpoint."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (await reader.readuntil(b"\r\n\r\n")) and not writer.is_closing():
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


@asynccontextmanager
async def app_at(settings: Any, endpoint: str) -> AsyncIterator[App]:
    """Open an app whose services are all at this endpoint."""
    parts = f"AccountName=a;AccountKey=a2V5;BlobEndpoint={endpoint}/a;TableEndpoint={endpoint}/a"
    storage = StorageConnection(connection_string=f"DefaultEndpointsProtocol=http;{parts}")
    batch = BatchAccount(endpoint=endpoint, name="a", key="a2V5")
    app = open_app(replace(settings, storage=storage, batch=batch))
    try:
        yield app
    finally:
        await app.clients.close()


def ask(app: App, service: str) -> Awaitable[object]:
    asked = {
        "blob": lambda: app.clients.blobs.get_container_client("ccc").get_container_properties(),
        "table": lambda: app.clients.tables.get_table_client("ttt").get_entity("p", "r"),
        "batch": lambda: app.clients.batch.get_pool("p"),
    }
    return asked[service]()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_is_asked_as_often_and_with_the_same_pauses(settings, pauses, service):
    asked = 0

    async def busy(writer):
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    async with server(busy) as endpoint, app_at(settings, endpoint) as app:
        with pytest.raises(HttpResponseError):
            await ask(app, service)
    assert (asked, pauses) == (4, [1, 2])


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_is_waited_for_that_wants_to_be_left_alone_for_long(settings, pauses, service):
    asked = 0

    async def busy(writer):
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 600\r\n\r\n")

    async with server(busy) as endpoint, app_at(settings, endpoint) as app:
        with pytest.raises(HttpResponseError):
            await ask(app, service)
    assert (asked, pauses) == (1, [])


@pytest.mark.parametrize("service", SERVICES)
async def test_nobody_is_followed_to_another_place(settings, service):
    asked = 0

    async def elsewhere(writer):
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")

    async with server(elsewhere) as endpoint, app_at(settings, endpoint) as app:
        with pytest.raises(HttpResponseError, match=r"There|307"):
            await ask(app, service)
    assert asked == 1


async def drips(writer: asyncio.StreamWriter) -> None:
    """Send a byte every now and then: the wait for the next one is never long."""
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_reply_that_comes_drop_by_drop_ends_with_its_try(settings, pauses, monkeypatch, service):
    monkeypatch.setattr(call_limits, "LONGEST_TRY", 0.2)
    async with server(drips) as endpoint, app_at(settings, endpoint) as app, asyncio.timeout(20):
        with pytest.raises(ServiceResponseTimeoutError, match="seconds"):
            await ask(app, service)


async def test_a_streamed_body_that_comes_drop_by_drop_ends_with_its_try(settings, monkeypatch):
    monkeypatch.setattr(call_limits, "LONGEST_TRY", 0.3)
    async with server(drips) as endpoint, app_at(settings, endpoint) as app, asyncio.timeout(20):
        with pytest.raises(Unavailable, match=r"reading the body was not done within 0\.3 seconds"):
            await app.files.read(TaskFile(job_id="j", task_id="t", name="stdout.txt"), 0, 1000000)


async def test_an_identity_that_gives_no_token_is_not_waited_for_and_not_asked_again(settings, monkeypatch):
    asked = 0

    async def hangs(self, *scopes, **options):
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(call_limits, "LONGEST_TOKEN", 0.1)
    monkeypatch.setattr(DefaultAzureCredential, "get_token", hangs)
    monkeypatch.setattr(DefaultAzureCredential, "get_token_info", hangs)
    uris = StorageConnection(blob_uri="https://127.0.0.1:9", table_uri="https://127.0.0.1:9")
    app = open_app(replace(settings, storage=uris, batch=BatchAccount(endpoint="https://127.0.0.1:9")))
    try:
        for ping in (app.inputs.ping, app.table.ping, lambda: app.batch.pool_status("p")):
            with pytest.raises(ServiceError, match="no token within"):
                await ping()
    finally:
        await app.clients.close()
    assert asked == 3


async def test_a_token_that_comes_in_time_is_passed_on(monkeypatch):
    async def fails(self, *scopes, **options):
        raise ClientAuthenticationError("no identity here")

    monkeypatch.setattr(DefaultAzureCredential, "get_token", fails)
    identity = BriefIdentity()
    with pytest.raises(ClientAuthenticationError, match="no identity here"):
        await identity.get_token("scope")
    await identity.close()


# What cancel relies on


@pytest.mark.parametrize("cancel_requested", [False, True])
async def test_a_record_that_was_read_long_ago_is_read_again_before_batch_gets_its_task(app, cancel_requested):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    long_ago = replace(stored, read_at=stored.read_at - KNOWN_FOR.total_seconds() - 1)
    if cancel_requested:
        await app.table.update([Change(stored, replace(stored.record, cancel_requested_at=app.now()))])
    done = await hand_over(app, [long_ago])
    assert done[stored.record.task_id] == await record_of(app, stored.record.task_id)
    assert len(await tasks_of(app)) == (0 if cancel_requested else 1)


async def test_a_delegation_key_that_takes_long_gives_time_to_cancel(app, monkeypatch):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    sas_url = app.inputs.sas_url
    monkeypatch.setattr(hand_over_module, "KNOWN_FOR", timedelta(seconds=0.2))

    async def slow(blob, lifetime):
        await cancel(app, stored.record.task_id)
        await asyncio.sleep(0.3)
        return await sas_url(blob, lifetime)

    monkeypatch.setattr(app.inputs, "sas_url", slow)
    await hand_over(app, [stored])
    assert await tasks_of(app) == []


async def test_a_record_that_was_just_read_is_not_read_again(app, calls):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    calls.clear()
    await hand_over(app, [stored])
    # What is paused, the job, the task, and the record.
    assert [call.service for call in calls] == ["table", "batch", "batch", "table"]


# Tokens for nodes


@pytest.mark.parametrize("minutes", [-16, 0, 16])
async def test_a_token_is_good_from_now_on_whatever_storages_clock_says(app, monkeypatch, minutes):
    """An identity's key begins in the past and ends within seven days, by a clock that is off either way."""
    now = later(app, minutes=minutes).now()
    asked: list[tuple[datetime, datetime]] = []

    async def key(start, expiry):
        asked.append((start, expiry))

    monkeypatch.setattr(app.clients.blobs, "get_user_delegation_key", key)
    await app.inputs._signer._delegation_key(now)
    ((start, expiry),) = asked
    assert start < app.now()
    assert expiry < app.now() + timedelta(days=7)
