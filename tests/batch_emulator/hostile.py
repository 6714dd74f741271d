"""Requests that nobody should send: made from good ones, by dice."""

import json
import re
from email.utils import formatdate
from urllib.parse import quote

from tests.batch_emulator.signed import VERSION

WEIRD = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, 1e308, "", " ", "0", "-1", "x", "x" * 5000),
    *("\0", "\ud800", "é", "../../etc", "a/b", "a b", "'", '"', "%", "P1D", "PT0S", "P99999999999D", "-PT1S", "PT"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "2026-13-01T00:00:00Z", "now"),
    *([], {}, [None], [[]], [{}], {"": None}, {"id": "x"}, {"\ud800": 1}, "spread", "terminatejob", "*", "http://"),
)
SEGMENTS = ("x", "..", ".", "%2e%2e", "%00", "%FF", "%ED%A0%80", "a%2Fb", "a" * 300, "x:1", "%C3%A9", "*", "~", "%", "")
#: Text that is no JSON value, put where a value was.
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "1" * 5000,
    "[" * 2000 + "]" * 2000,
    '{"a":' * 900 + "1" + "}" * 900,
)
QUERIES = {
    "$filter": (
        *(
            "state eq 'active'",
            "state eq 'x'",
            "id eq",
            "id eq '",
            "((((",
            "a" * 3000,
            "startswith(id,'a')",
            "id lt 'é'",
        ),
        *("stateTransitionTime gt DateTime'2026-01-01'", "creationTime gt DateTime'0001-01-01T00:00:00+23:59'", "\0"),
        *("executionInfo/exitCode eq 1", "id eq 'a' or not", "executionInfo/exitCode eq 99999999999999999999"),
        *("startswith(name,'wd')", "poolId eq 'a'", "id ne null", "id eq '''", "true", "1 eq 1", "(" * 300 + ")" * 300),
    ),
    "$select": ("id", "id,state", "stats", "nothing", ",", "é", "id,id", "*"),
    "$expand": ("stats", "x", "stats,x", "*"),
    "maxresults": ("1", "0", "-5", "1001", "x", "9" * 30, "٣", "1.5", " 1"),
    "$skiptoken": ("x", "====", "YQ==", "/w==", "7aCA", "AAAA", "ew=="),
    "timeOut": ("30", "-1", "x", "9" * 30),
    "recursive": ("true", "false", "x"),
    "startTime": ("2026-01-01T00:00:00Z", "x", "0001-01-01T00:00:00+23:59"),
    "endtime": ("2026-01-01T00:00:00Z", "x"),
    "force": ("true", "x"),
    "rows": ("1", "x"),
}
DATES = (
    "Mon, 01 Jan 2035 00:00:00 GMT",
    "yesterday",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri, 31 Dec 9999 23:59:59 -2359",
)
HEADERS = {
    "If-Match": ("*", "0x0", '"0x0"', "W/", ",", "\udcff"),
    "If-None-Match": ("*", "0x0", ","),
    "If-Modified-Since": DATES,
    "If-Unmodified-Since": DATES,
    "ocp-range": (
        "bytes=0-1",
        "bytes=5-1",
        "bytes=-1",
        "bytes=",
        "lines=1",
        "bytes=0-99999999999999999999",
        "bytes=٣-",
    ),
    "client-request-id": ("x", "\udcff", "x" * 4000, "é"),
    "return-client-request-id": ("true", "x"),
    "Content-Type": ("text/plain", "application/json; charset=utf-16", "\udcff", ";;;"),
    "Content-Encoding": ("gzip", "deflate", "br", "x"),
    "Accept": ("text/html", "*/*"),
    "Host": ("\udcff", "a b", "x:y:z", "é"),
    "Expect": ("100-continue", "x"),
}


def request_for(operation, dice, ids, bodies):
    """Return method, target, headers and body of a request for an operation, more or less spoiled.

    `ids` are those that exist, by the names of variable parts of paths; `bodies` good ones by operation.
    """
    method = operation.method if dice.random() < 0.97 else dice.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "FOO"])
    path = re.sub(r"\{(\w+)\}", lambda match: _segment(match[1], dice, ids), operation.path)
    query = {"api-version": VERSION} | _some(QUERIES, dice, 0.25)
    target = (
        f"{path}?{'&'.join(f'{quote(name)}={quote(value, errors="surrogateescape")}' for name, value in query.items())}"
    )
    headers = {"ocp-date": formatdate(usegmt=True), **_some(HEADERS, dice, 0.06)}
    return method, target, headers, _body(operation, dice, bodies)


def _segment(name, dice, ids):
    if dice.random() < 0.85:
        return quote(dice.choice(ids.get(name, ["x"])), safe="")
    return dice.choice(SEGMENTS)


def _some(choices, dice, probability):
    chosen = [name for name in choices if dice.random() < probability / 2]
    return {name: dice.choice(choices[name]) for name in chosen}


def _body(operation, dice, bodies):
    if operation.name not in bodies:
        return b"" if dice.random() < 0.9 else b'{"a": 1}'
    if dice.random() < 0.03:
        return dice.choice([b"", b"null", b"[]", b"{", b"\xff\xfe", b'"' + b"\\ud800" + b'"', b"[" * 100_000])
    body = json.loads(json.dumps(dice.choice(bodies[operation.name])))
    spots = list(_spots(body))
    marker = None
    for container, key in dice.sample(spots, min(len(spots), dice.choice([0, 1, 1, 1, 2, 3]))):
        marker = _spoil(container, key, dice) or marker
    text = json.dumps(body)
    return (text.replace('"@raw@"', marker) if marker else text).encode()


def _spots(value):
    """Yield every place in a JSON value that holds another."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _spots(inner)


def _spoil(container, key, dice):
    """Change one place; return the text that belongs there where it is no JSON value."""
    draw = dice.random()
    if draw < 0.1:
        container[key] = "@raw@"
        return dice.choice(RAW)
    if draw < 0.2 and isinstance(container, dict):
        container.pop(key, None)
    elif draw < 0.3:
        container[key] = [container[key]] * dice.choice([1, 2, 150])
    elif draw < 0.4 and isinstance(container, dict):
        container[dice.choice(["unknown", "\ud800", "id", "url", "state", ""])] = dice.choice(WEIRD)
    else:
        container[key] = dice.choice(WEIRD)
    return None
