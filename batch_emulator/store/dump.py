"""Shows what the store holds, for people who look for a mistake: every table, without secrets."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from batch_emulator.store.database import Database

#: Shown instead of what may be a secret.
HIDDEN: Final = "(hidden)"
#: The most characters of one table that are shown: an answer of any size would keep others waiting.
MOST_TEXT: Final = 2**20

#: Every repetition has a bound, or a long text would cost its square.
#: The query of any URL may be a SAS token, wherever the URL is.
_QUERY: Final = re.compile(r"(?<=\?)[^\s\"'<>=]{0,200}=[^\s\"'<>]*|\bsig=[^&\s\"'<>]+", re.IGNORECASE)
#: What precedes the host of a URL, up to the last @: a password may hold one itself.
_USER: Final = re.compile(r"(?<=://)[^\s\"'<>]{0,500}@")
#: What may be the same where a text was cut, and its @ with the rest.
_CUT_USER: Final = re.compile(r"(?<=://)[^\s\"'<>]{1,500}\Z")
#: A secret that is assigned, or follows an option, as in command lines and connection strings.
_ASSIGNED: Final = re.compile(
    r"((?:key|password|passwd|pwd|token|secret|credential|signature|\bsig)s?[\"']?\s*[=:]\s*|"
    r"(?<![\w-])-[\w-]{0,64}(?:key|password|passwd|pwd|token|secret|credential|signature)s?\s+)"
    # What was cut may lack the second quote.
    r"(\"[^\"]*\"?|'[^']*'?|[^\s;&\"'<>]+)",
    re.IGNORECASE,
)
#: Headers that hold nothing but a credential.
_HEADER: Final = re.compile(
    r"(\b(?:proxy-)?authorization[\\\"']*\s*[=:][ \t\\\"']*|\bcookie\s*:\s*)[^\s\\\"'][^\\\"'\r\n]*", re.IGNORECASE
)
_BEARER: Final = re.compile(r"(\bbearer\s+)[^\s\\\"']+", re.IGNORECASE)
#: User and password of curl's `-u user:password` and its like.
_LOGIN: Final = re.compile(
    r"((?<![\w-])(?:-[a-z]{0,10}u|--(?:proxy-)?user)[\s=]*)"
    r"(?:\"[^\":\s]{1,200}:[^\"]*|'[^':\s]{1,200}:[^']*|[^\s:\"']{1,200}:(?:\"[^\"]*|'[^']*|[^\s\"']+))",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(r"(key|password|token|secret|connectionstring|credential)s?$", re.IGNORECASE)
#: Lists of names and values in which people put secrets.
_SETTINGS: Final = frozenset({"environmentSettings", "commonEnvironmentSettings"})


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's number of rows and its newest rows as they are stored, secrets included."""

    count: int
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def shown(self) -> dict[str, object]:
        """Return the rows as JSON values without secrets. Takes its time, so it belongs in a thread."""
        rows = [
            {key: _shown(key, _opened(value)) for key, value in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]
        return {"count": self.count, "rows": rows}


def newest_rows(database: Database, limit: int) -> dict[str, Table]:
    """Take each table's newest rows: `limit` of them, or as many as have `MOST_TEXT`; one at least."""
    names = database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name: _table(database, name, limit) for (name,) in names}


def redacted(document: Any, most: int | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without what may be a secret; of each text, `most` characters are read and shown."""
    return _shown("", document, most)


def _table(database: Database, name: str, limit: int) -> Table:
    (count,) = database.one(f"SELECT count(*) FROM {name}")  # noqa: S608 - from the database itself
    cursor = database.execute(f"SELECT * FROM {name} ORDER BY 1 DESC LIMIT ?", limit)  # noqa: S608
    columns = tuple(column[0] for column in cursor.description)
    return Table(count=count, columns=columns, rows=tuple(_within_bound(cursor)))


def _within_bound(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    text = 0
    for row in rows:
        if text and text + _length(row) > MOST_TEXT:
            return
        text += _length(row)
        yield row


def _length(row: tuple[object, ...]) -> int:
    return sum(len(value) for value in row if isinstance(value, str))


def _opened(value: object) -> Any:  # noqa: ANN401 - what the JSON holds
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _shown(name: str, value: Any, most: int | None = None) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return HIDDEN if _SECRET.search(name) else _beginning(value, most)
        case list() if name in _SETTINGS:
            return [{**each, "value": HIDDEN} if isinstance(each, dict) else HIDDEN for each in value]
        case list():
            return [_shown(name, each, most) for each in value]
        case dict():
            named = value.get("name")
            hidden = {"value": HIDDEN} if "value" in value and isinstance(named, str) and _SECRET.search(named) else {}
            return {key: _shown(key, each, most) for key, each in value.items()} | hidden
    return value


def _beginning(text: str, most: int | None) -> str:
    """Return a text without secrets; it is cut first, since looking for them takes its time."""
    if most is None or len(text) <= most:
        return _redacted(text)
    return f"{_redacted(_CUT_USER.sub(HIDDEN, text[:most]))}…"


def _redacted(text: str) -> str:
    """Return a text without the secrets that can be recognized by what surrounds them."""
    text = _USER.sub(f"{HIDDEN}@", _QUERY.sub(HIDDEN, text))
    for pattern in (_HEADER, _BEARER, _LOGIN, _ASSIGNED):
        text = pattern.sub(lambda found: found[1] + HIDDEN, text)
    return text
