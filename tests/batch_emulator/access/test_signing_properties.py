"""The signature against all that a request may hold: what is signed is taken, anything else is not."""

import string
import time
from base64 import b64encode
from email.utils import formatdate
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from batch_emulator.access.signing import SharedKey
from batch_emulator.errors import BatchError
from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.batch_emulator.signed import signature

KEY = SharedKey(DEFAULT_ACCOUNT, DEFAULT_KEY)
SIGNED = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Range",
    "ocp-range",
    "ocp-other",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NAMES = st.text(string.ascii_letters + "$-", min_size=1, max_size=8)


@st.composite
def requests(draw):
    """Return method, path, query and headers of a request, signed as clients sign it."""
    method = draw(st.sampled_from(METHODS))
    path = "/" + "/".join(quote(segment, safe="") for segment in draw(st.lists(TEXT, min_size=1, max_size=4)))
    query = draw(st.dictionaries(NAMES, TEXT, max_size=4))
    headers = draw(st.dictionaries(st.sampled_from(SIGNED), VISIBLE, max_size=4))
    headers["ocp-date"] = formatdate(time.time(), usegmt=True)
    if method not in {"GET", "HEAD"}:
        headers.setdefault("Content-Length", "0")
    headers["Authorization"] = signature(method, path, query, headers)
    return method, path, query, headers


def is_taken(method, path, query, headers):
    try:
        KEY.verify(method, path, query, headers)
    except BatchError as exc:
        return exc.error.code != "AuthenticationFailed"
    return True


@settings(deadline=None, max_examples=60)
@given(requests())
def test_what_is_signed_is_taken(request_):
    assert is_taken(*request_)


@settings(deadline=None, max_examples=60)
@given(requests(), st.characters(codec="ascii", categories=["L", "N"]))
def test_a_path_is_taken_as_some_clients_send_it_and_no_other_one_is(request_, extra):
    method, path, query, headers = request_
    sent = path.replace("%3A", ":").replace("%3D", "=").replace("%26", "&")
    assert is_taken(method, sent, query, headers)
    for other in (f"{path}{extra}", f"/{extra}{path}", f"{path}/", path[:-1] or "/", path.swapcase()):
        if [unquote(part) for part in other.split("/")] != [unquote(part) for part in path.split("/")]:
            assert not is_taken(method, other, query, headers)


@settings(deadline=None, max_examples=60)
@given(requests(), st.sampled_from(SIGNED), VISIBLE)
def test_no_signed_header_can_be_changed_added_removed_or_doubled(request_, name, value):
    method, path, query, headers = request_
    was = headers.get(name, "")
    assume(value != was and (name, value, was) != ("Content-Length", "0", ""))
    assert not is_taken(method, path, query, {**headers, name: value})
    if was and (name, was) != ("Content-Length", "0"):
        assert not is_taken(method, path, query, {key: each for key, each in headers.items() if key != name})
    for doubled in (name, "ocp-date", "Authorization"):
        twice = CIMultiDict(headers)
        twice.add(doubled, headers.get(doubled, value))
        assert not is_taken(method, path, query, twice)


@settings(deadline=None, max_examples=60)
@given(requests(), NAMES, TEXT)
def test_no_parameter_can_be_changed_added_or_removed(request_, name, value):
    method, path, query, headers = request_
    if query.get(name) != value:
        assert not is_taken(method, path, {**query, name: value}, headers)
    for gone in query:
        assert not is_taken(method, path, {key: each for key, each in query.items() if key != gone}, headers)


@settings(deadline=None, max_examples=30)
@given(requests(), st.sampled_from(METHODS))
def test_the_method_cannot_be_changed(request_, other):
    method, path, query, headers = request_
    assume(other != method)
    assert not is_taken(other, path, query, headers)


@settings(deadline=None, max_examples=60)
@given(requests(), st.integers(0, 43), st.characters())
def test_the_signature_cannot_be_changed(request_, position, character):
    method, path, query, headers = request_
    start, _, digest = headers["Authorization"].partition(":")
    assume(digest[position] != character)
    changed = digest[:position] + character + digest[position + 1 :]
    assert not is_taken(method, path, query, {**headers, "Authorization": f"{start}:{changed}"})


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d{1,5} \d+:\d+:\d+ [+-]?\w{1,5}"))
def test_a_date_that_cannot_be_read_is_refused(date):
    headers = {"ocp-date": date}
    headers["Authorization"] = signature("GET", "/pools", {}, headers) if date.isascii() else "SharedKey a:b"
    assert not is_taken("GET", "/pools", {}, headers)


@pytest.mark.parametrize(
    ("dates", "taken"),
    [
        ({"ocp-date": 0}, True),
        ({"Date": 0}, True),
        ({"ocp-date": -890}, True),
        ({"ocp-date": 890}, True),
        ({"ocp-date": -910}, False),
        ({"ocp-date": 910}, False),
        ({"Date": -910}, False),
        ({"ocp-date": 0, "Date": -910}, True),
        ({"ocp-date": -910, "Date": 0}, False),
        ({}, False),
    ],
)
def test_ocp_date_counts_or_else_date_within_fifteen_minutes(dates, taken):
    headers = {name: formatdate(time.time() + offset, usegmt=True) for name, offset in dates.items()}
    headers["Authorization"] = signature("GET", "/pools", {}, headers)
    assert is_taken("GET", "/pools", {}, headers) == taken


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_keys_of_every_length_sign(length):
    key = b64encode(bytes(range(length))).decode()
    headers = {"ocp-date": formatdate(time.time(), usegmt=True)}
    headers["Authorization"] = signature("GET", "/pools", {}, headers, key)
    SharedKey(DEFAULT_ACCOUNT, key).verify("GET", "/pools", {}, headers)
    assert not is_taken("GET", "/pools", {}, headers)


@pytest.mark.parametrize("key", ["", "not base64!", "abc", "ключ"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match="The account key is"):
        SharedKey("account", key)


@settings(deadline=None, max_examples=60)
@given(requests())
def test_a_request_without_a_length_may_be_signed_with_or_without_one(request_):
    # The Python clients sign "0", @azure/batch signs a DELETE without anything.
    method, path, query, headers = request_
    unsized = {name: value for name, value in headers.items() if name not in {"Content-Length", "Authorization"}}
    for length in {"", "0"} if method not in {"GET", "HEAD"} else {""}:
        signed = signature(method, path, query, {**unsized, "Content-Length": length})
        assert is_taken(method, path, query, {**unsized, "Authorization": signed})
