import pytest
from azure.functions import HttpRequest

from batch_core.errors import InvalidRequest
from batch_core.http.output_requests import OutputRequest, continuation_of, opaque
from batch_core.services.output_values import MOST_BYTES, Extent


def parsed(parameters=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HttpRequest(method="GET", url="http://host/api/x", headers=named, params=parameters or {}, body=b"")
    return OutputRequest.parse(request.headers, request.params)


@pytest.mark.parametrize(
    ("header", "extent"),
    [
        ("bytes=0-9", Extent(start=0, length=10)),
        ("bytes=5-5", Extent(start=5, length=1)),
        ("bytes=5-", Extent(start=5)),
        ("bytes=-5", Extent(start=None, length=5)),
        ("Bytes = 0-0", Extent(start=0, length=1)),
        ("bytes=0-999999999999999999", Extent(start=0, length=10**18)),
    ],
)
def test_a_range_asks_for_a_part(header, extent):
    assert parsed(Range=header) == OutputRequest(extent=extent, is_ranged=True)


UNREADABLE = """
bytes=
bytes=-
bytes=-0
bytes=5-4
bytes=a-b
bytes=1-2,4-5
bytes=0-1,bytes=2-3
bytes=--1
bytes=+1-2
bytes=1 - 2
bytes=\u0661-
bytes=0x1-
bytes=1_0-
bytes=9999999999999999999-
"""


@pytest.mark.parametrize("header", [*UNREADABLE.split("\n")[1:-1], "bytes=" + "1" * 10_000])
def test_a_range_that_cannot_be_read_is_refused_in_a_short_sentence(header):
    with pytest.raises(InvalidRequest, match="cannot be read: send one bytes=a-b, bytes=a- or bytes=-n") as caught:
        parsed(Range=header)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "headers", [{"Range": "lines=1-2"}, {"Range": "bytes=1-2", "If_Range": '"x"'}, {"Range": ""}, {}]
)
def test_what_a_server_may_leave_aside_is_left_aside(headers):
    assert parsed(**headers) == OutputRequest(extent=Extent())


def test_a_tail_asks_for_the_last_bytes_and_is_no_range():
    assert parsed({"tail": "100"}) == OutputRequest(extent=Extent(start=None, length=100))


@pytest.mark.parametrize("tail", ["", "0", "-1", "1.5", "all", "1,2", "9" * 19, "\u0661", " 1"])
def test_a_tail_that_is_no_number_of_bytes_is_refused(tail):
    with pytest.raises(InvalidRequest, match="must be a number of bytes, 1 or more"):
        parsed({"tail": tail})


@pytest.mark.parametrize("header", ["bytes=0-1", "lines=1-2", ""])
def test_a_tail_and_a_range_are_refused_together(header):
    with pytest.raises(InvalidRequest, match="send one of them"):
        parsed({"tail": "1"}, Range=header)


@pytest.mark.parametrize("continuation", ["a/b.csv", "2!92!MDAw--", "ü\N{GRINNING FACE}", "x" * 2000])
def test_a_continuation_is_handed_out_as_letters_and_understood_again(continuation):
    text = opaque(continuation)
    assert text.strip("=").replace("-", "a").replace("_", "a").isalnum()
    assert continuation_of({"continuation": text}) == continuation


@pytest.mark.parametrize("text", ["a", "a b", "../x", "%%%%", "ü", "/+==", "_w==", "A" * 9000])
def test_a_continuation_that_no_list_gave_is_refused(text):
    with pytest.raises(InvalidRequest):
        continuation_of({"continuation": text})


def test_without_a_continuation_a_list_begins():
    assert continuation_of({}) is continuation_of({"continuation": ""}) is None


def test_no_part_has_more_than_four_mebibytes():
    assert MOST_BYTES == 4 * 1024 * 1024
    for extent in (Extent(), Extent(start=7), Extent(length=10**9), Extent(start=None, length=10**9)):
        assert extent.most == MOST_BYTES
