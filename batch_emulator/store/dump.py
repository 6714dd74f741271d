"""Shows what the store holds, for people who look for a mistake: every table, without secrets."""

import json
import re
from typing import Any, Final

from batch_emulator.store.database import Database

#: Shown instead of what may be a secret.
HIDDEN: Final = "(hidden)"

#: Every repetition has a bound, or a long text would cost its square.
#: The query of any URL may be a SAS token, wherever the URL stands.
_QUERY: Final = re.compile(r"(?<=\?)[^\s\"'<>=]{0,200}=[^\s\"'<>]*|\bsig=[^&\s\"'<>]+", re.IGNORECASE)
#: What stands before the host of a URL, up to the last @: a password may hold one itself.
_USER: Final = re.compile(r"(?<=://)[^\s\"'<>]{0,500}@")
#: A secret that is assigned, or follows an option, as in command lines and connection strings.
_ASSIGNED: Final = re.compile(
    r"((?:key|password|passwd|pwd|token|secret|credential|signature|\bsig)s?[\"']?\s*[=:]\s*|"
    r"(?<![\w-])-[\w-]{0,64}(?:key|password|passwd|pwd|token|secret|credential|signature)s?\s+)"
    r"(\"[^\"]*\"|'[^']*'|[^\s;&\"'<>]+)",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(r"(key|password|token|secret|connectionstring|credential)s?$", re.IGNORECASE)
#: Lists of names and values in which people put secrets.
_SETTINGS: Final = frozenset({"environmentSettings", "commonEnvironmentSettings"})


def dump(database: Database, limit: int) -> dict[str, dict[str, object]]:
    """Return each table's number of rows and its newest rows, at most ``limit`` of them."""
    names = database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name: _table(database, name, limit) for (name,) in names}


def _table(database: Database, name: str, limit: int) -> dict[str, object]:
    (count,) = database.one(f"SELECT count(*) FROM {name}")  # noqa: S608 - from the database itself
    cursor = database.execute(f"SELECT * FROM {name} ORDER BY 1 DESC LIMIT ?", limit)  # noqa: S608
    columns = [column[0] for column in cursor.description]
    rows = [{key: _shown(key, _opened(value)) for key, value in zip(columns, row, strict=True)} for row in cursor]
    return {"count": count, "rows": rows}


def _opened(value: object) -> Any:  # noqa: ANN401 - what the JSON holds
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return HIDDEN if _SECRET.search(name) else _redacted(value)
        case list() if name in _SETTINGS:
            return [{**each, "value": HIDDEN} if isinstance(each, dict) else HIDDEN for each in value]
        case list():
            return [_shown(name, each) for each in value]
        case dict():
            named = value.get("name")
            hidden = {"value": HIDDEN} if "value" in value and isinstance(named, str) and _SECRET.search(named) else {}
            return {key: _shown(key, each) for key, each in value.items()} | hidden
    return value


def _redacted(text: str) -> str:
    """Return a text without the secrets that can be told by what stands around them."""
    text = _USER.sub(f"{HIDDEN}@", _QUERY.sub(HIDDEN, text))
    return _ASSIGNED.sub(lambda found: found[1] + HIDDEN, text)
