"""Bodies of requests are bounded, and what is wrong with them is said in a few words."""

import json
from base64 import urlsafe_b64encode

import pytest

from batch_core.errors import InvalidRequest
from batch_core.http.pauses import PauseRequest
from batch_core.http.replies import Reply
from batch_core.http.requests import SubmitRequest
from batch_core.http.selections import SelectionRequest
from batch_core.http.task_lists import ListRequest

PARSERS = [SubmitRequest.parse, SelectionRequest.parse, PauseRequest.parse]


@pytest.mark.parametrize("parse", PARSERS)
def test_a_large_body_is_not_read(parse):
    with pytest.raises(InvalidRequest, match=r"the body has 65,537 bytes: at most 65,536 are read"):
        parse(b" " * 65_537)


@pytest.mark.parametrize("parse", PARSERS)
def test_of_many_words_that_are_not_known_ten_are_named_and_cut(parse):
    body = json.dumps({f"{number:03}{'x' * 400}": 1 for number in range(100)}).encode()
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert "and 90 more words are not known" in caught.value.problems
    assert len(str(caught.value)) < 4000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("000000200999", "0", "201", "1e2", "\u0661")),
        *(("waiting", value) for value in ("P9999999D", "P99999999999D", "PT" + "9" * 30 + "S", "-PT1S", "P11Y")),
        *(("route", value) for value in ("\udcff", "a\0b", "x" * 2000)),
        ("continuation", urlsafe_b64encode(json.dumps(["20261130", "\ud800", "", ""]).encode()).decode()),
    ],
)
def test_a_parameter_out_of_its_bounds_is_a_problem(name, value):
    with pytest.raises(InvalidRequest, match=f"'{name}'"):
        ListRequest.parse({name: value})


def test_a_reply_holds_any_text():
    body = Reply(status=200, document={"by": "half \ud800 of a pair"}).body
    assert json.loads(body) == {"by": "half \ud800 of a pair"}
