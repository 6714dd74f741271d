import json
from urllib.parse import quote

import aiohttp
import pytest


@pytest.fixture(scope="module")
async def http(running_host):
    async with aiohttp.ClientSession(running_host.url) as session:
        yield session


async def test_bytes_headers_query_and_route_parameters_go_both_ways(http):
    body = bytes(range(256)) * 300
    url = "/api/echo/" + quote("an umlaut ü", safe="") + "/12?q=1&q=2&empty="
    async with http.post(url, data=body, headers={"X-Sent": "yes"}) as response:
        assert (response.status, await response.read()) == (201, body)
        assert json.loads(response.headers["x-seen"]) == {
            "route": {"name": "an umlaut ü", "size": "12"},
            "query": {"q": "1,2", "empty": ""},
            "method": "POST",
        }
        assert response.headers["x-sent"] == "yes"
        assert response.content_type == "application/octet-stream"


async def test_a_chunked_body_arrives_empty_as_it_does_at_the_real_host(http):
    async def chunks():
        yield b"some "
        yield b"bytes"

    async with http.post("/api/echo/a", data=chunks()) as response:
        assert response.request_info.headers["Transfer-Encoding"] == "chunked"
        assert (response.status, await response.read()) == (201, b"")


async def test_a_sync_function_answers_text(http):
    async with http.get("/api/plain") as response:
        assert (response.status, await response.text()) == (200, "plain text")


async def test_every_cookie_is_set(http):
    async with http.get("/api/cookies") as response:
        cookies = sorted(response.headers.getall("Set-Cookie"))
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]
    assert "HttpOnly" in cookies[0]
    assert "Max-Age=60" in cookies[1]


async def test_what_no_function_answers_is_not_found(http):
    for method, path in [("GET", "/api/nothing"), ("DELETE", "/api/plain"), ("GET", "/plain")]:
        async with http.request(method, path) as response:
            assert response.status == 404


async def test_a_function_that_raises_is_a_500_with_its_traceback_in_the_log_only(http, running_host):
    async with http.get("/api/broken") as response:
        assert (response.status, await response.text()) == (500, "")
    log = running_host.process.tail(200)
    assert "error   local.host.invoker: Failed" in log
    assert "LookupError: the route is broken" in log


async def test_the_host_says_that_it_runs_and_what_it_serves(http):
    async with http.get("/admin/host/status") as response:
        assert (await response.json())["state"] == "Running"
    async with http.get("/admin/functions") as response:
        urls = {f["name"]: f["invoke_url_template"] for f in await response.json()}
    assert urls["plain"].endswith("/api/plain")
    assert urls["tick"] is None
