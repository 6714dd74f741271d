import asyncio
import errno
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport

from batch_core import backoff
from batch_core.app import App, open_app
from batch_core.cli import provision
from batch_core.config.settings import Settings
from tests.batch_core.cuts import cuttable_calls
from tests.batch_core.scaled_pool import steady, with_scaled_pool
from tests.batch_core.world import World


@pytest.fixture
async def storage_app(environment: dict[str, str]) -> AsyncIterator[App]:
    """An app with containers and table; there is no Batch."""
    app = open_app(Settings.from_env(environment))
    try:
        *containers_and_table, _ = provision.resources(app)
        await asyncio.gather(*map(provision.make, containers_and_table))
        yield app
    finally:
        await app.clients.close()


@pytest.fixture
def events_queue(environment: dict[str, str]) -> str:
    """The name of a queue; who asks for it gets apps that announce ends there."""
    environment["EVENTS_QUEUE"] = name = environment["BATCH_POOL_ID"].replace("pool", "events")
    return name


@pytest.fixture
async def app(environment: dict[str, str], batch_endpoint: str) -> AsyncIterator[App]:
    """An app with everything: containers, table and a pool of two nodes."""
    app = open_app(Settings.from_env(environment | {"BATCH_ENDPOINT": batch_endpoint}))
    try:
        await asyncio.gather(*map(provision.make, provision.resources(app)))
        yield app
        await app.clients.batch.begin_delete_pool(app.settings.pool.id)
    finally:
        await app.clients.close()


@pytest.fixture
async def make_world(
    environment: dict[str, str], batch_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Awaitable[World]]]:
    """Make worlds that share a pool with room for many tasks; nobody in them waits before trying again."""
    monkeypatch.setattr(backoff, "FIRST", backoff.FIRST * 0)
    room = {"BATCH_ENDPOINT": batch_endpoint, "POOL_TASK_SLOTS_PER_NODE": "64"}
    host = open_app(Settings.from_env(environment | room))
    numbers = itertools.count(1)
    try:
        await provision.make(provision.resources(host)[-1])
        with cuttable_calls():
            yield lambda: World.new(host, next(numbers), tmp_path)
        await host.clients.batch.begin_delete_pool(host.settings.pool.id)
    finally:
        await host.clients.close()


@dataclass(frozen=True)
class Call:
    """One request that the app sent."""

    service: str
    method: str
    path: str


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], batch_endpoint: str) -> list[Call]:
    """What the app sends from now on, retries included, but for those of connections that were closed meanwhile."""
    ports = {urlsplit(batch_endpoint).port: "batch"}
    for part in environment["DATA_STORAGE"].split(";"):
        name, _, value = part.partition("=")
        if name.endswith("Endpoint"):
            ports[urlsplit(value).port] = name.removesuffix("Endpoint").lower()
    sent: list[Call] = []
    send = AioHttpTransport.send

    async def counting_send(self, request, **kwargs):
        parts = urlsplit(request.url)
        sent.append(call := Call(ports[parts.port], request.method, parts.path))
        try:
            return await send(self, request, **kwargs)
        except ServiceRequestError as exc:
            # Azurite closes a connection that has been idle for five seconds. The test may have cleared the list.
            if getattr(exc.inner_exception, "errno", None) == errno.ECONNRESET and call in sent:
                sent.remove(call)
            raise

    monkeypatch.setattr(AioHttpTransport, "send", counting_send)
    return sent


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the SDKs would have waited between their tries, in seconds; in the test they do not."""
    asked: list[float] = []

    async def no_sleep(self, duration):
        asked.append(duration)

    # What is made of a client asks a wrapper around the transport for its pauses.
    for transport in (AsyncHttpTransport, AioHttpTransport):
        monkeypatch.setattr(transport, "sleep", no_sleep)
    return asked


@pytest.fixture
async def scaled(app, tmp_path, monkeypatch):
    """An app with a pool of its own that has no nodes yet, for the commands of `released`."""
    words = "slots_per_node = 2\nscale = { max = 3 }"
    async with with_scaled_pool(app, "scaled", words, tmp_path, monkeypatch) as routed:
        await steady(routed)
        yield routed
