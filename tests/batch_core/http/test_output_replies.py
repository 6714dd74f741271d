import json

import azure.functions as func
import pytest

from batch_core.http.functions import responding
from batch_core.http.output_replies import file_reply, files_reply, printed_reply
from batch_core.http.output_requests import OutputRequest, opaque
from batch_core.output_reading import Output, OutputFiles
from batch_core.services.output_values import Extent, ListedFile
from batch_core.state.record import TaskState

RANGED = OutputRequest(extent=Extent(), is_ranged=True)
PLAIN = OutputRequest(extent=Extent())


def output(content=b"text", start=0, size=None, etag=None, state=TaskState.SUBMITTED):
    whole = start + len(content) if size is None else size
    return Output(start=start, content=content, size=whole, etag=etag, state=state)


@pytest.mark.parametrize(
    ("found", "request_", "status", "content_range"),
    [
        (output(), PLAIN, 200, None),
        (output(b""), PLAIN, 200, None),
        (output(), RANGED, 206, "bytes 0-3/4"),
        (output(size=9), PLAIN, 206, "bytes 0-3/9"),
        (output(start=5), PLAIN, 206, "bytes 5-8/9"),
        (output(start=5, size=10), RANGED, 206, "bytes 5-8/10"),
        (output(b"", start=4), RANGED, 204, None),
        (output(b""), RANGED, 204, None),
        (output(b"", start=5, size=4), RANGED, 416, "bytes */4"),
    ],
)
def test_the_status_says_what_the_bytes_are(found, request_, status, content_range):
    for reply in (printed_reply(found, request_), file_reply(found, request_, "a")):
        assert (reply.status, reply.headers.get("Content-Range")) == (status, content_range)
        assert (reply.headers["X-Output-Size"], reply.headers["X-Task-State"]) == (str(found.size), "submitted")


def test_a_range_beyond_the_end_has_the_shape_of_every_error():
    reply = printed_reply(output(b"", start=5, size=4), RANGED)
    assert json.loads(reply.body) == {"error": "the range begins at byte 5, and there are 4 bytes"}


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("a/b/c.csv", "c.csv"),
        ("page.html", "page.html"),
        ('it\'s "x".csv', "it%27s%20%22x%22.csv"),
        ("a\r\nSet-Cookie: a=b", "a%0D%0ASet-Cookie%3A%20a%3Db"),
        ("a;filename=evil.exe", "a%3Bfilename%3Devil.exe"),
        ("ü\N{GRINNING FACE}\u202egnp.exe", "%C3%BC%F0%9F%98%80%E2%80%AEgnp.exe"),
        ("half \ud83d", "half%20%3F"),
    ],
)
def test_no_name_of_a_file_can_split_a_header_or_say_more_than_itself(name, saved_as):
    headers = file_reply(output(), PLAIN, name).headers
    assert headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{saved_as}"


def test_nothing_in_an_output_runs_in_a_browser():
    printed, file = printed_reply(output(b"<script>"), PLAIN), file_reply(output(b"<script>"), PLAIN, "a.html")
    assert (printed.media_type, file.media_type) == ("text/plain", "application/octet-stream")
    for reply in (printed, file):
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_page_of_files_names_where_the_next_begins():
    files = [ListedFile(name="a/b ü.csv", size=5)]
    page = OutputFiles(files=files, continuation="x/y", has_more=True, state=TaskState.SUCCEEDED)
    expected = {"state": "succeeded", "files": [{"name": "a/b ü.csv", "size": 5}], "continuation": opaque("x/y")}
    assert json.loads(files_reply(page).body) == expected | {"has_more": True}
    last = OutputFiles(files=(), continuation=None, has_more=False, state=TaskState.SUBMITTED)
    assert json.loads(files_reply(last).body) == {
        "state": "submitted",
        "files": [],
        "continuation": None,
        "has_more": False,
    }


async def answered(reply, **headers):
    async def function(_):
        return reply

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = func.HttpRequest(method="GET", url="http://host/api/x", headers=named, body=b"")
    return await responding(function)(request)


@pytest.mark.parametrize(("found", "request_"), [(output(etag='"1"'), PLAIN), (output(size=9, etag='"1"'), PLAIN)])
async def test_what_does_not_change_any_more_has_the_etag_of_the_whole_and_304_answers_who_names_it(found, request_):
    reply = printed_reply(found, request_)
    assert (await answered(reply)).headers["ETag"] == '"1"'
    again = await answered(reply, If_None_Match='"1"')
    assert (again.status_code, again.get_body(), again.headers.get("Content-Range")) == (304, b"", None)
    assert (again.headers["ETag"], again.headers["X-Task-State"]) == ('"1"', "submitted")


@pytest.mark.parametrize(
    ("found", "request_"),
    [
        (output(), PLAIN),
        (output(start=5), RANGED),
        (output(b"", start=4, etag='"1"'), RANGED),
        (output(b"", start=5, size=4, etag='"1"'), RANGED),
    ],
)
async def test_a_follower_gets_no_etag_and_never_a_304(found, request_):
    answer = await answered(printed_reply(found, request_), If_None_Match="*")
    assert answer.status_code in {200, 204, 206, 416}
    assert "ETag" not in answer.headers
