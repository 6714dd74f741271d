"""The page may use the interface that it belongs to from this machine: no other page, port, name or machine may."""

from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import make_mocked_request

from batch_emulator.control.access import is_control, is_from_this_machine
from batch_emulator.server import running
from batch_emulator.settings import Settings
from tests.batch_emulator.conftest import own_emulator
from tests.batch_emulator.control_client import control

PAGE = ("/", "/page/page.css", "/page/page.js", "/overview", "/jobs/job/tasks/task")
RULE = {"id": "one", "operation": "list_pools", "delay": 0}
ALLOWED = "batch.example"


@pytest.fixture(scope="module")
async def url():
    async with own_emulator() as address:
        yield address


def request(host="localhost:10003", remote="127.0.0.1", **headers):
    made = make_mocked_request("POST", "/_emulator/reset", headers={"Host": host, **headers})
    return made.clone(remote=remote)


async def test_the_page_does_what_it_is_for(url):
    own = {"headers": {"Origin": url, "Sec-Fetch-Site": "same-origin"}}
    assert (await control(url, "POST", "/faults", RULE, **own)).status == 201
    assert (await control(url, "GET", "/overview", **own)).status == 200
    assert (await control(url, "DELETE", "/faults/one", **own)).status == 204


@pytest.mark.parametrize("name", ["localhost", "batch.localhost", "127.9.9.9", "[::1]"])
async def test_it_may_be_reached_by_any_name_of_this_machine_if_it_is_the_same_in_both(url, name):
    host = f"{name}:{urlsplit(url).port}"
    own = {"headers": {"Host": host, "Origin": f"http://{host}"}}
    assert (await control(url, "DELETE", "/faults", **own)).status == 204
    other = {"headers": {"Host": host, "Origin": url}}
    assert (await control(url, "DELETE", "/faults", **other)).body["code"] == "OriginNotAllowed"


@pytest.mark.parametrize(
    "origin",
    [
        *("http://127.0.0.1:{other}", "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1"),
        *("null", "", "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}/", "http://x@127.0.0.1:{port}"),
        *("http://evil.example:{port}", "http://127.0.0.1:{port} http://evil.example", "file://"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/reset"), ("POST", "/faults"), ("GET", "/overview")])
async def test_every_other_origin_is_refused(url, origin, method, path):
    port = urlsplit(url).port
    headers = {"Origin": origin.format(port=port, other=port + 1)}
    refused = await control(url, method, path, RULE, headers=headers)
    assert (refused.status, refused.body["code"]) == (403, "OriginNotAllowed")
    assert not [name for name in refused.headers if name.lower().startswith("access-control-")]


async def test_an_origin_beside_the_own_one_is_refused(url):
    headers = [("Origin", url), ("Origin", "https://evil.example")]
    assert (await control(url, "POST", "/reset", headers=headers)).status == 403


@pytest.mark.parametrize("path", PAGE)
async def test_a_name_that_was_made_to_lead_here_gets_nothing(url, path):
    # What a browser sends for a page of evil.example, once that name leads to 127.0.0.1.
    host = f"evil.example:{urlsplit(url).port}"
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        answer = await control(url, "GET", path, headers=headers)
        assert (answer.status, answer.body["code"]) == (403, "HostNotAllowed")


@pytest.mark.parametrize("path", PAGE)
async def test_a_name_that_was_allowed_needs_a_signature_for_the_page_too(path):
    async with running(Settings(port=0, allowed_hosts=frozenset({ALLOWED}))) as named:
        for headers in ({"Host": ALLOWED}, {"Host": ALLOWED, "Origin": f"http://{ALLOWED}"}):
            answer = await control(named, "GET", path, headers=headers)
            assert (answer.status, answer.body["code"]) == (403, "AuthenticationFailed")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", PAGE)
async def test_another_page_can_neither_embed_nor_load_it(url, site, path):
    assert (await control(url, "GET", path, headers={"Sec-Fetch-Site": site})).status == 403


@pytest.mark.parametrize("remote", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "169.254.1.1", None])
@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost:10003"}])
def test_another_machine_is_never_taken_for_this_one(remote, headers):
    assert not is_from_this_machine(request(remote=remote, **headers))


@pytest.mark.parametrize("remote", ["127.0.0.1", "::1"])
def test_this_machine_is_by_its_own_origin_and_without_one(remote):
    assert is_from_this_machine(request(remote=remote))
    assert is_from_this_machine(request(remote=remote, Origin="http://localhost:10003"))
    assert not is_from_this_machine(request(remote=remote, Origin="http://localhost:10004"))
    assert not is_from_this_machine(request(remote=remote, host=ALLOWED, Origin=f"http://{ALLOWED}"))


@pytest.mark.parametrize(
    ("path", "is_own"),
    [("/_emulator", True), ("/_emulator/", True), ("/_emulatorx", False), ("//_emulator/", False), ("/", False)],
)
def test_what_belongs_to_the_interface(path, is_own):
    assert is_control(path) == is_own
