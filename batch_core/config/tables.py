"""Reads tables of a TOML file into msgspec structs and notes every problem, each with its place, value and rule.

msgspec says what is wrong with one value, and stops there; so each field is converted by itself. What a field may hold
and what it means is said once, in its type: `msgspec.Meta` has the bounds and the text that editors show, and its
`extra` the rule that problems name.
"""

import json
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

import msgspec

from batch_core.problems import Problems
from batch_core.redaction import looks_secret, shown

#: Keys of `Meta.extra`. What a value must be, as the end of a sentence; whether it is kept out of problems; what one
#: of its items is called; and a function that returns what is wrong with a value of the right type, a sentence's end
#: each.
RULE: Final = "rule"
IS_HIDDEN: Final = "is_hidden"
ITEM: Final = "item"
CHECK: Final = "check"
#: The longest value that is no text and shown whole, in characters.
_LONGEST: Final = 200


def read_table[T: msgspec.Struct](table: type[T], value: object, where: str, problems: Problems) -> T | None:
    """Return the table; None, and problems, where it is not what its struct says.

    `where` names the table in problems, such as `routes.toml, route 'thumbnails'`.
    """
    if not isinstance(value, dict):
        problems.note(f"{where} is {_display(value)}: it must be a table")
        return None
    fields = {field.name: field for field in msgspec.structs.fields(table)}
    read = {
        name: _read(field.type, value[name], f"{where}, {name}", problems)
        for name, field in fields.items()
        if name in value
    }
    missing = [field for name, field in fields.items() if field.required and name not in value]
    unknown = value.keys() - fields.keys()
    problems.note_all(f"{where} has {_display(name)}, {_instead(name, list(fields))}" for name in sorted(unknown))
    problems.note_all(f"{where} has no {field.name}: it must be {_extra(field.type)[RULE]}" for field in missing)
    is_whole = not missing and not unknown and all(one is not None for one in read.values())
    return table(**read) if is_whole else None


def item_name(item: object, kind: str, number: int) -> str:
    """Return what problems call the item of a list: by its name if it has one, else by its number, from 1."""
    name = item.get("name") if isinstance(item, dict) else None
    return f"{kind} {shown(name)}" if isinstance(name, str) and name else f"{kind} {number}"


def _read(kind: Any, value: object, where: str, problems: Problems) -> object:  # noqa: ANN401 - any field's type
    """Return one field's value; None, and problems, where it breaks its rule."""
    extra, table = _extra(kind), _table_in(kind)
    if table is not None and isinstance(value, dict):
        return _read_nested(kind, table, value, where, problems)
    if table is not None and isinstance(value, list) and len(value) <= _most(kind):
        outer = where.rpartition(", ")[0]
        names = [item_name(item, extra[ITEM], number) for number, item in enumerate(value, 1)]
        items = [read_table(table, item, f"{outer}, {name}", problems) for item, name in zip(value, names, strict=True)]
        return None if None in items else items
    try:
        converted: object = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        display = "not valid (its values are not shown)" if extra.get(IS_HIDDEN) else _display(value)
        problems.note(f"{where} is {display}: it must be {extra[RULE]}")
        return None
    wrong = list(extra[CHECK](converted)) if CHECK in extra else []
    problems.note_all(f"{where} {one}" for one in wrong)
    return None if wrong else converted


def _read_nested(
    kind: Any,  # noqa: ANN401 - any field's type
    table: type[msgspec.Struct],
    value: dict[str, object],
    where: str,
    problems: Problems,
) -> object:
    """Return a table within a table, or a table of named tables."""
    if not any(get_origin(part) is dict for part in _parts(kind)):
        return read_table(table, value, where, problems)
    extra, outer = _extra(kind), where.rpartition(", ")[0]
    wrong = list(extra[CHECK](value)) if CHECK in extra else []
    problems.note_all(f"{where} {one}" for one in wrong)
    named = {
        name: read_table(table, item, f"{outer}, {extra[ITEM]} {shown(name)}", problems) for name, item in value.items()
    }
    return None if wrong or None in named.values() else named


def _most(kind: Any) -> int:  # noqa: ANN401 - any type
    return next(meta.max_length for meta in _metas(kind) if meta.max_length is not None)


def _instead(name: str, words: list[str]) -> str:
    near = get_close_matches(name.lower(), words, n=1)
    return "which means nothing here: " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(words)}")


def _display(value: object) -> str:
    if isinstance(value, str):
        return shown(value)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return shown(text) if looks_secret(text) or len(text) > _LONGEST else text


def _parts(kind: Any) -> list[Any]:  # noqa: ANN401 - any type
    """Return what a type is made of, itself included: members of unions, annotations, items."""
    return [kind, *(part for argument in get_args(kind) for part in _parts(argument))]


def _extra(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any type
    """Return the `extra` of a type and its parts in one; what is said further out counts."""
    return {key: value for meta in reversed(_metas(kind)) for key, value in (meta.extra or {}).items()}


def _metas(kind: Any) -> list[msgspec.Meta]:  # noqa: ANN401 - any type
    own = [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return own + [meta for argument in get_args(kind) for meta in _metas(argument)]


def _table_in(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - any type
    found = (part for part in _parts(kind) if isinstance(part, type) and issubclass(part, msgspec.Struct))
    return next(found, None)
