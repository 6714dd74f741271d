import asyncio
import socket
import time

import pytest

from batch_core.app import open_app
from batch_core.config.settings import Settings
from batch_core.errors import NothingListens, Unavailable
from batch_core.sdk.translation import translating
from batch_core.services import transport
from local.ports import free_ports


def refused(environment: dict[str, str], host: str, port: int) -> Settings:
    """Settings of services of this machine on whose port nothing listens."""
    endpoint = f"http://{host}:{port}"
    storage = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
    storage += "".join(f"{service}Endpoint={endpoint}/a;" for service in ("Blob", "Queue", "Table"))
    services = {"DATA_STORAGE": storage, "BATCH_ENDPOINT": endpoint}
    return Settings.from_env(environment | services)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_refused_connection_of_this_machine_is_reported_at_once_in_plain_words(environment, host, pauses):
    (port,) = free_ports(1)
    app = open_app(refused(environment, host, port))
    began = time.monotonic()
    for call in (app.inputs.ping, app.table.ping, lambda: app.batch.pool_status("p")):
        with pytest.raises(NothingListens) as raised:
            await call()
        assert f"failed: nothing listens on {host}:{port}: is the local stack up?" in str(raised.value)
        assert raised.value.action.startswith(("looking at", "reading"))
        assert "ssl:default" not in str(raised.value)
    await app.clients.close()
    assert pauses == []
    assert time.monotonic() - began < 2


async def test_a_connection_that_is_lost_is_tried_again(environment, pauses):
    """Somebody listens: what went wrong may pass."""
    seen = []

    async def hang_up(reader, writer):
        seen.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, family=socket.AF_INET)
    app = open_app(refused(environment, "127.0.0.1", server.sockets[0].getsockname()[1]))
    with pytest.raises(Unavailable) as raised:
        await app.batch.pool_status("p")
    await app.clients.close()
    server.close()
    assert not isinstance(raised.value, NothingListens)
    assert len(seen) > 1
    assert pauses


async def test_no_error_of_a_plain_address_speaks_of_ssl(environment, pauses):
    app = open_app(refused(environment, "no-such-host.localhost", 1))
    with pytest.raises(Unavailable, match=r"no-such-host\.localhost:1") as raised:
        await app.batch.pool_status("p")
    await app.clients.close()
    assert "ssl:default" not in str(raised.value)


def test_what_was_being_done_is_reported_with_the_address():
    def refuse() -> None:
        raise NothingListens("127.0.0.1:9")

    message = r"^creating pool p failed: nothing listens on 127\.0\.0\.1:9"
    with pytest.raises(NothingListens, match=message), translating("creating pool p"):
        refuse()


async def test_an_entry_of_netrc_for_all_hosts_spoils_no_signature(app, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    transport.has_proxy.cache_clear()
    fresh = open_app(app.settings)
    try:
        await fresh.inputs.ping()
        await fresh.table.ping()
        await fresh.batch.pool_status(app.settings.pool.id)
    finally:
        await fresh.clients.close()


async def test_a_proxy_of_the_environment_is_used(environment, monkeypatch, pauses):
    asked = []

    async def proxy(reader, writer):
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0, family=socket.AF_INET)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    transport.has_proxy.cache_clear()
    app = open_app(refused(environment, "127.0.0.1", 1))
    try:
        with pytest.raises(Unavailable):
            await app.batch.pool_status("p")
    finally:
        await app.clients.close()
        server.close()
        transport.has_proxy.cache_clear()
    assert asked[0].startswith(b"GET http://127.0.0.1:1/pools/p")
