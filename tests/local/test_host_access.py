"""What a web page, or a client that sends too much, too slowly or nonsense, gets from the Functions host."""

import asyncio
from contextlib import asynccontextmanager, closing
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from local.host.errors import HostError
from local.host.http import server as http_server
from local.host.http.access import Access
from local.ports import free_ports
from tests.local.hosts import APPS, host

PATHS = ["/", "/api/plain", "/admin/host/status", "/admin/functions", "/runtime/webhooks/blobs?functionName=x"]


async def raw(port: int, sent: bytes) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            writer.write(sent)
            return await reader.read()


@asynccontextmanager
async def small_server():
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application(client_max_size=1000)
    app.router.add_route("*", "/{path:.*}", answer)
    port = free_ports(1)[0]
    async with http_server.serving(app, Access.by_names(["box.example"]), port, grace_seconds=1):
        yield port


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_nothing_of_the_host_answers_another_page(running_host, path, headers):
    async with aiohttp.ClientSession(running_host.url) as http, http.post(path, data="[]", headers=headers) as response:
        assert response.status == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "app.localhost:80"])
async def test_every_name_of_this_machine_is_answered_and_its_own_origin(running_host, host):
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(running_host.url) as http, http.get("/api/plain", headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("host", [b"a b", b"[", b"[::1", b"localhost:99999", b"localhost:x", b"", b"a@localhost"])
async def test_a_malformed_host_is_a_bad_request(running_host, host):
    port = urlsplit(running_host.url).port
    got = await raw(port, b"GET /api/plain HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")


async def test_an_invalid_gzip_body_is_no_server_error(running_host):
    url = f"{running_host.url}/api/echo/a/1"
    headers = {"Content-Encoding": "gzip"}
    async with aiohttp.ClientSession() as http, http.post(url, data=b"no gzip", headers=headers) as response:
        # As the real host: the function gets the bytes as they came.
        assert (response.status, await response.read()) == (201, b"no gzip")
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running_host.url}{PATHS[-1]}", data=b"no gzip", headers=headers) as response,
    ):
        assert 400 <= response.status < 500


async def test_an_allowed_name_is_answered():
    async with (
        small_server() as port,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/", headers={"Host": "BOX.example"}) as response,
    ):
        assert response.status == 200


async def test_names_allowed_by_the_variable_are_answered_and_no_others(storage, blobs, tmp_path):
    allowed = {"FUNCTIONS_HOST_ALLOW_HOSTS": "box.example, other.example"}
    async with (
        host(APPS / "triggers", storage.connection_string, tmp_path, **allowed) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        for name, status in (("box.example", 200), ("OTHER.example:80", 200), ("evil.example", 403)):
            async with http.get("/api/plain", headers={"Host": name}) as response:
                assert (name, response.status) == (name, status)


@pytest.mark.parametrize("name", ["http://box", "box:80", "*", ""])
def test_what_is_no_name_cannot_be_allowed(name):
    with pytest.raises(HostError):
        Access.by_names([name])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 200 + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001, 413),
    ],
)
async def test_what_is_too_large_is_refused(request_, status):
    async with small_server() as port:
        assert int((await raw(port, request_)).split()[1]) == status


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
async def test_a_connection_that_waits_for_its_client_ends(monkeypatch, sent):
    monkeypatch.setattr(http_server, "IDLE_SECONDS", 0.2)
    async with small_server() as port:
        answer = await raw(port, sent)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


async def test_a_body_that_does_not_arrive_is_answered(monkeypatch):
    monkeypatch.setattr(http_server, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(http_server, "LINGER_SECONDS", 0.2)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\nabc"
    async with small_server() as port:
        assert (await raw(port, head)).startswith(b"HTTP/1.1 408 ")


async def test_the_oldest_connection_makes_way_for_a_new_one(monkeypatch):
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 3)
    async with small_server() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        got = await raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 200 ")
        async with asyncio.timeout(20):
            assert await held[0][0].read() == b""
        for _, writer in held:
            writer.close()
