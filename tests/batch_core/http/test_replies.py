import json
from datetime import UTC, datetime

import azure.functions as func
import pytest

from batch_core.errors import (
    AccessDenied,
    BlobNotFound,
    InvalidRequest,
    NotNow,
    RecordNotFound,
    SettingsError,
    Unavailable,
)
from batch_core.http import replies
from batch_core.http.functions import responding
from batch_core.http.health import Check, health_reply
from batch_core.http.replies import Content, Reply
from batch_core.http.requests import SubmitRequest
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.submission import Submission


def problems_of(body: bytes) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        SubmitRequest.parse(body)
    return list(caught.value.problems)


def test_an_empty_body_is_reported_with_what_may_have_emptied_it():
    (problem,) = problems_of(b"")
    assert problem.startswith("the body is empty: send ")
    assert "chunked" in problem


def test_a_request_names_a_blob():
    assert SubmitRequest.parse(b'{"blob": "a b.txt"}') == SubmitRequest(blob="a b.txt", force=False)
    assert SubmitRequest.parse(b'{"blob": "x", "force": true}') == SubmitRequest(blob="x", force=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\xff\xfe", ["not JSON"]),
        (b"[]", ["is a list"]),
        (b"null", ["is null"]),
        (b"{}", ["'blob' is missing"]),
        (b'{"blob": 5}', ["'blob' is a number"]),
        (b'{"blob": ""}', ["0 characters"]),
        (json.dumps({"blob": "x" * 1025}).encode(), ["1025 characters"]),
        # Storage counts in units of UTF-16.
        (json.dumps({"blob": "\N{GRINNING FACE}" * 513}).encode(), ["1026 characters"]),
        (b'{"blob": "x", "force": "yes"}', ["'force' is a string"]),
        (b'{"file": "x", "force": 1}', ["'blob' is missing", "'file' is not known", "'force' is a number"]),
    ],
)
def test_a_malformed_request_gets_every_problem(body, expected):
    problems = problems_of(body)
    assert len(problems) == len(expected)
    for words in expected:
        assert any(words in problem for problem in problems), words


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest(["a", "b"]), 400),
        (BlobNotFound("x"), 404),
        (RecordNotFound("x"), 404),
        (NotNow("x"), 409),
        (SettingsError(["a"]), 503),
        (Unavailable("adding tasks"), 503),
        (AccessDenied("adding tasks", status=403), 503),
    ],
)
def test_every_error_has_its_status(error, status):
    assert replies.error_reply(error).status == status


def test_an_error_lists_its_problems_where_there_are_several():
    body = json.loads(replies.error_reply(InvalidRequest(["a", "b"])).body)
    assert body == {"error": "a; b", "problems": ["a", "b"]}


@pytest.mark.parametrize("error", [InvalidRequest(["a"]), SettingsError(["a"]), RecordNotFound("a")])
def test_one_problem_is_reported_once(error):
    assert json.loads(replies.error_reply(error).body) == {"error": str(error)}


def test_every_reply_ends_with_a_line_end():
    good = Check(name="table", is_ok=True, detail="answers")
    for reply in (replies.error_reply(RecordNotFound("x")), health_reply([good])):
        assert reply.body.endswith(b"}\n")


def test_health_is_503_as_soon_as_one_part_is_broken():
    good, bad = Check(name="table", is_ok=True, detail="answers"), Check(name="pool", is_ok=False, detail="no pool")
    assert health_reply([good]).status == 200
    assert health_reply([good, bad]).status == 503
    assert json.loads(health_reply([bad]).body) == {
        "status": "unhealthy",
        "checks": {"pool": {"ok": False, "detail": "no pool"}},
    }


def submission() -> Submission:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    record = TaskRecord(
        task_id="20261123T080102-tasks-0123456789abcdef-r2",
        job_id="job",
        container="input",
        blob="tasks",
        blob_etag="0x1",
        blob_last_modified=moment,
        blob_size=1,
        attempt=2,
        detected_by=DetectedBy.HTTP,
        state=TaskState.QUEUED,
        recorded_at=moment,
    )
    return Submission(record=record, is_new=True)


@pytest.mark.parametrize("route", ["/api/tasks", "/API/Tasks", "/tasks/api/tasks"])
@pytest.mark.parametrize("query", ["", "?code=a/b==", "?code=x&clientId=/tasks/y"])
def test_the_status_url_is_below_the_route_that_was_asked_and_holds_no_key(route, query):
    (one, url) = submission(), f"https://app.example:7071{route}"
    posted = replies.submission_reply(one, f"{url}{query}")
    retried = replies.retry_reply(one, f"{url}/20261123T080102-tasks-0123456789abcdef/retry{query}")
    assert posted.document["status_url"] == retried.document["status_url"] == f"{url}/{one.record.task_id}"


async def answered(reply, method="GET", **headers):
    async def function(_):
        return reply

    request = func.HttpRequest(method=method, url="http://host/api/x", headers=headers, body=b"")
    return await responding(function)(request)


async def test_what_was_read_before_and_has_not_changed_is_answered_with_304():
    reply = Reply(status=200, document={"a": 1})
    first = await answered(reply)
    assert (first.status_code, first.get_body()) == (200, b'{"a": 1}\n')
    for named in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = await answered(reply, **{"If-None-Match": named})
        assert (again.status_code, again.get_body(), again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    changed = await answered(Reply(status=200, document={"a": 2}), **{"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 404), ("GET", 503)])
async def test_what_is_no_reading_has_no_etag(method, status):
    answer = await answered(Reply(status=status, document={}), method=method, **{"If-None-Match": "*"})
    assert (answer.status_code, "ETag" in answer.headers) == (status, False)


async def test_no_reply_is_taken_for_something_that_runs():
    answer = await answered(Content(status=200, body=b"<script>", media_type="text/plain"))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (answer.mimetype, answer.get_body()) == ("text/plain", b"<script>")


@pytest.mark.parametrize(("seconds", "expected"), [(None, "5"), (0.2, "5"), (17.2, "18")])
def test_a_services_trouble_says_when_to_ask_again(seconds, expected):
    assert replies.error_reply(Unavailable("listing", retry_after=seconds)).headers == {"Retry-After": expected}


def test_what_is_no_services_trouble_does_not():
    for error in (InvalidRequest(["a"]), SettingsError(["b"]), NotNow("c")):
        assert replies.error_reply(error).headers == {}
