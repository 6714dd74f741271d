"""Web pages: what a browser would send for one is refused, on the whole API, and programs are not troubled."""

from urllib.parse import urlsplit

import pytest

from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.control_client import control
from tests.batch_emulator.raw_http import RawConnection
from tests.batch_emulator.signed import send

#: A name that a user maps to 127.0.0.1, so that code made for a real account comes here.
ACCOUNT_HOST = "myaccount.westeurope.batch.azure.com"


@pytest.fixture(scope="module")
async def named():
    async with running(Settings(port=0, allowed_hosts=frozenset({ACCOUNT_HOST}))) as address:
        yield address


async def ask_both(url, headers):
    """Ask the service's API, signed, and the emulator's own; return both answers."""
    return await send(url, "GET", "/pools", headers=headers), await control(url, "GET", "/state", headers=headers)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:10003",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        ACCOUNT_HOST,
    ],
)
async def test_a_host_that_is_not_this_machine_is_refused(url, host):
    for answer in await ask_both(url, {"Host": host}):
        assert (answer.status, answer.body["code"]) == (403, "HostNotAllowed")
        assert "--allow-host" in answer.body["message"]["value"]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "batch.localhost",
        "xn--batch.localhost",
        "127.8.9.1:10003",
        "127.0.0.1:99999",
        "[::1]:10003",
        "localhost.",
    ],
)
async def test_every_name_of_this_machine_is_served(url, host):
    for answer in await ask_both(url, {"Host": host}):
        assert answer.status == 200


async def test_a_host_that_was_allowed_is_served_and_stands_in_links(named):
    host = f"{ACCOUNT_HOST.upper()}:443"
    answer = await send(named, "GET", "/pools", headers={"Host": host})
    assert answer.status == 200
    assert answer.body["odata.metadata"].startswith(f"http://{host}/")
    assert (await send(named, "GET", "/pools", headers={"Host": "evil.example"})).status == 403


async def test_the_emulators_own_interface_wants_a_signature_by_a_name_that_was_allowed(named):
    headers = {"Host": ACCOUNT_HOST}
    assert (await control(named, "GET", "/faults", headers=headers)).status == 403
    assert (await send(named, "GET", "/_emulator/faults", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_a_page_of_another_origin_is_refused(url, headers):
    for answer in await ask_both(url, headers):
        assert (answer.status, answer.body["code"]) == (403, "OriginNotAllowed")
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", ["/pools", "/_emulator/reset", "/nothing/here"])
async def test_a_preflight_lets_nobody_in(url, path):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await send(url, "OPTIONS", path, headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


async def test_a_posted_form_of_another_page_changes_nothing(url):
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    refused = await control(
        url, "POST", "/faults", {"operation": "list_pools", "answer": {"status": 500}}, headers=headers
    )
    assert refused.status == 403
    assert (await control(url, "GET", "/faults")).body == {"faults": []}


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_what_the_user_typed_and_the_emulators_own_origin_are_served(url, site):
    headers = {"Sec-Fetch-Site": site}
    assert (await control(url, "GET", "/faults", headers=headers)).status == 200
    assert (await send(url, "GET", "/pools", headers=headers | {"Origin": url})).status == 200


@pytest.mark.parametrize("host", ["a b", "user@localhost", "localhost:port", "[::1", "", "localhost/x", "a\\b"])
async def test_a_malformed_host_is_a_bad_request(url, host):
    async with RawConnection(url) as connection:
        answer = await connection.ask("GET", "/pools?api-version=2025-06-01", {"Host": host})
    assert (answer.status, answer.body["code"]) == (400, "InvalidHeaderValue")


@pytest.mark.parametrize("hosts", [[], ["{0}", "{0}"]])
async def test_exactly_one_host_is_expected(url, hosts):
    lines = [f"Host: {host.format(urlsplit(url).netloc)}" for host in hosts]
    data = "\r\n".join(["GET /pools HTTP/1.1", *lines, "", ""]).encode()
    async with RawConnection(url) as connection:
        assert (await connection.exchange(data)).status == 400


async def test_too_many_query_parameters_are_refused(url):
    answer = await send(url, "GET", "/pools", {f"p{number}": "x" for number in range(100)})
    assert (answer.status, answer.body["code"]) == (400, "InvalidUri")
