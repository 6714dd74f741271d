import asyncio
import json
import re
from email.utils import formatdate
from urllib.parse import urlsplit

import pytest

from batch_emulator.routes import ROUTES
from tests.batch_emulator.conftest import new_id
from tests.batch_emulator.signed import send, signature, values


def test_the_table_holds_the_72_operations_once():
    assert len({operation.name for operation in ROUTES}) == 72
    assert len({(operation.method, operation.path) for operation in ROUTES}) == 72


async def test_errors_have_the_shape_of_the_service(url):
    answer = await send(url, "GET", "/pools/missing")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json; odata=minimalmetadata"
    request_id = answer.headers["request-id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id)
    time = answer.body["message"]["value"].rpartition("Time:")[2]
    container = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors"
    assert answer.body == {
        "odata.metadata": f"{url}/$metadata#{container}/@Element",
        "code": "PoolNotFound",
        "message": {
            "lang": "en-US",
            "value": f"The specified pool does not exist.\nRequestId:{request_id}\nTime:{time}",
        },
    }


async def test_an_unknown_path_is_404_and_an_unknown_verb_405(url):
    unknown = await send(url, "GET", "/nothing/here")
    assert (unknown.status, unknown.body["code"]) == (404, "ResourceNotFound")
    verb = await send(url, "PUT", "/pools/x")
    assert (verb.status, verb.body["code"]) == (405, "UnsupportedHttpVerb")
    assert values(verb) == {"AllowedVerbs": "DELETE, GET, HEAD, PATCH"}


@pytest.mark.parametrize("path", ["/", "//", "/pools//nodes", "/jobs/%FF", "/pools/%00", "/jobs/x/tasks/t/files/"])
async def test_hostile_paths_get_a_clean_refusal(url, path):
    answer = await send(url, "GET", path)
    assert answer.status in {400, 404}
    assert answer.body["code"] in {"ResourceNotFound", "InvalidUri", "PoolNotFound", "JobNotFound"}


async def test_the_client_request_id_comes_back_only_when_asked_for(url):
    """Recordings `TerminateJob` (asked for) and `test_batch_exception_policy` (not)."""
    headers = {"client-request-id": "abc"}
    silent = await send(url, "GET", "/pools", headers=headers)
    assert "client-request-id" not in silent.headers
    asked = await send(url, "GET", "/pools", headers=headers | {"return-client-request-id": "true"})
    assert asked.headers["client-request-id"] == "abc"
    assert asked.headers["DataServiceVersion"] == "3.0"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(url, body):
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequestBody")


async def test_a_body_over_one_megabyte_is_refused(url, idle_job):
    task = {"id": "a", "commandLine": "x" * 2**20}
    path = f"/jobs/{idle_job}/addtaskcollection"
    answer = await send(url, "POST", path, body={"value": [task]})
    assert (answer.status, answer.body["code"]) == (413, "RequestBodyTooLarge")


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({}, "MissingRequiredProperty", "id"),
        ({"id": "a"}, "MissingRequiredProperty", "poolInfo"),
        ({"id": "a b", "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": "x" * 65, "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": "../a", "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": "a\n", "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": 7, "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": "a", "poolInfo": {}}, "MissingRequiredProperty", "poolInfo.poolId"),
        ({"id": "a", "poolInfo": []}, "InvalidPropertyValue", "poolInfo"),
        ({"id": "a", "poolInfo": {"poolId": "p"}, "priority": 1001}, "InvalidPropertyValue", "priority"),
        (
            {"id": "a", "poolInfo": {"poolId": "p"}, "constraints": {"maxWallClockTime": "1h"}},
            "InvalidPropertyValue",
            "constraints.maxWallClockTime",
        ),
    ],
)
async def test_a_bad_property_is_named(url, body, code, name):
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body["code"]) == (400, code)
    assert values(answer)["PropertyName"] == name


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
async def test_text_that_cannot_be_stored_is_refused(url, text):
    body = {"id": "a", "poolInfo": {"poolId": "p"}, "displayName": text}
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")


@pytest.mark.parametrize(("method", "path"), [("GET", "/certificates"), ("POST", "/certificates")])
async def test_operations_on_certificates_of_older_versions_are_not_found(url, method, path):
    body = {"thumbprint": "00"} if method == "POST" else None
    answer = await send(url, method, path, {"api-version": "2022-10-01.16.0"}, body)
    assert (answer.status, answer.body["code"]) == (404, "ResourceNotFound")


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[" * 300 + "]" * 300])
async def test_what_could_be_kept_and_not_be_shown_is_refused(url, text):
    body = f'{{"id": "strange", "poolInfo": {{"poolId": "p"}}, "unknown": {text}}}'.encode()
    answer = await send(url, "POST", "/jobs", body=body)
    assert (answer.status, answer.body["code"]) == (400, "InvalidRequestBody")
    assert (await send(url, "GET", "/jobs/strange")).status == 404


async def test_a_byte_order_mark_before_the_body_is_no_harm(url):
    body = b'\xef\xbb\xbf{"id": "marked", "poolInfo": {"poolId": "p"}}'
    assert (await send(url, "POST", "/jobs", body=body)).status == 201


async def test_a_client_cannot_say_what_only_the_service_knows(url):
    from_service = {"state": "completed", "url": "http://elsewhere", "eTag": "x", "executionInfo": 7, "nodeInfo": {}}
    for path, body in (
        ("/pools", {"id": "known", "vmSize": "standard_d2s_v3", "currentDedicatedNodes": 7}),
        ("/jobs", {"id": "known", "poolInfo": {"poolId": "p"}}),
        ("/jobs/known/tasks", {"id": "known", "commandLine": "true"}),
    ):
        assert (await send(url, "POST", path, body=body | from_service)).status == 201
        shown = (await send(url, "GET", f"{path}/known")).body
        assert (shown["state"], shown["url"]) == ("active", f"{url}{path}/known")
        assert shown.get("executionInfo") != 7
        assert not {"nodeInfo"} & set(shown)
        assert shown.get("currentDedicatedNodes", 0) == 0


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
async def test_a_client_that_waits_to_go_on_is_answered_at_once(url, idle_job, expectation):
    body = json.dumps({"id": new_id("task"), "commandLine": "true"}).encode()
    path, query = f"/jobs/{idle_job}/tasks", {"api-version": "2025-06-01"}
    headers = {
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        "ocp-date": formatdate(usegmt=True),
    }
    headers |= {"Authorization": signature("POST", path, query, headers), "Host": urlsplit(url).netloc}
    headers["Expect"] = expectation
    lines = [f"POST {path}?api-version=2025-06-01 HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readline()).split()[1] == b"201"
    writer.close()


async def test_a_client_whose_request_is_refused_is_not_asked_to_go_on(url):
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write(
        b"POST /jobs?api-version=2025-06-01 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert (await reader.readline()).split()[1] in {b"401", b"403"}
    writer.close()
