"""Reads tables of a TOML file into msgspec structs and notes every problem, each with its place, value and rule.

msgspec says what is wrong with one value, and stops there; so each field is converted by itself. What a field may hold
and what it means is said once, in its type: `msgspec.Meta` has the bounds and the text that editors show, and its
`extra` the rule that problems name.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args, get_origin

import msgspec

from batch_core.problems import Problems, instead
from batch_core.redaction import looks_secret, shown

#: Keys of `Meta.extra`. What a value must be, as the end of a sentence; whether it is kept out of problems; what one
#: of its items is called; a function that returns what is wrong with a value of the right type, a sentence's end each;
#: where the word belongs, for who writes it into a table further in; and the header that begins one of its tables.
RULE: Final = "rule"
IS_HIDDEN: Final = "is_hidden"
ITEM: Final = "item"
CHECK: Final = "check"
PLACE: Final = "place"
HEADER: Final = "header"
#: The longest value that is no text and shown whole, in characters.
_LONGEST: Final = 200
#: Deeper than this is nothing that Batch has a name for, and what walks a value may call itself once for each level.
_MOST_LEVELS: Final = 50
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_table[T: msgspec.Struct](
    table: type[T],
    value: object,
    where: str,
    problems: Problems,
    *,
    rule: str = "a table",
    places: Mapping[str, str] = MappingProxyType({}),
) -> T | None:
    """Return the table; None, and problems, where it is not what its struct says.

    `where` names the table in problems, such as `routes.toml, route 'thumbnails'`, and `rule` says what it must be.
    `places` has words of the tables around it: where each belongs.
    """
    if not isinstance(value, dict):
        problems.note(f"{where} is {_display(value)}: it must be {rule}")
        return None
    fields = {field.name: field for field in msgspec.structs.fields(table)}
    inner = {**places, **_places(table, value, where)}
    read = {
        name: _read(field.type, value[name], f"{where}, {name}", problems, inner)
        for name, field in fields.items()
        if name in value
    }
    missing = [field for name, field in fields.items() if field.required and name not in value]
    unknown = value.keys() - fields.keys()
    problems.note_all(f"{where} has {_display(name)}, {_instead(name, table, places)}" for name in sorted(unknown))
    problems.note_all(f"{where} has no {field.name}: it must be {_extra(field.type)[RULE]}" for field in missing)
    is_whole = not missing and not unknown and all(one is not None for one in read.values())
    return table(**read) if is_whole else None


def item_name(item: object, kind: str, number: int) -> str:
    """Return what problems call the item of a list: by its name if it has one, else by its number, from 1."""
    name = item.get("name") if isinstance(item, dict) else None
    return f"{kind} {shown(name)}" if isinstance(name, str) and name else f"{kind} {number}"


def shown_name(name: str) -> str:
    """Return a name as it is where that is safe to show, quoted and cut otherwise."""
    return name if _PLAIN_NAME.fullmatch(name) and not looks_secret(name) else shown(name)


def is_deep(value: object) -> bool:
    """Return whether tables and lists are nested in each other so deeply that nothing walks them."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _read(
    kind: Any,  # noqa: ANN401 - any field's type
    value: object,
    where: str,
    problems: Problems,
    places: Mapping[str, str],
) -> object:
    """Return one field's value; None, and problems, where it breaks its rule."""
    table = _table_in(kind)
    if table is None:
        return _read_plain(kind, value, where, problems)
    shape, rule = _container_in(kind), _extra(kind)[RULE]
    if shape is None:
        return read_table(table, value, where, problems, rule=rule, places=places)
    if isinstance(value, dict | list) and isinstance(value, shape) and len(value) > _most(kind):
        problems.note(f"{where} has {len(value):,} entries: it must be {rule}")
    elif shape is list and isinstance(value, list):
        return _read_items(kind, table, value, where, problems, places)
    elif shape is dict and isinstance(value, dict):
        return _read_named(kind, table, value, where, problems, places)
    else:
        problems.note(f"{where} is {_display(value)}: it must be {rule}")
    return None


def _read_plain(kind: Any, value: object, where: str, problems: Problems) -> object:  # noqa: ANN401 - any field's type
    """Return a value without tables that have words."""
    extra = _extra(kind)
    try:
        converted: object = msgspec.convert(value, kind)
    except msgspec.ValidationError:
        of_items = list(_wrong_items(kind, value))
        display = _hidden(kind, value) if extra.get(IS_HIDDEN) else _display(value)
        problems.note_all(f"{where}, {one}" for one in of_items)
        if not of_items:
            problems.note(f"{where} is {display}: it must be {extra[RULE]}")
        return None
    if is_deep(converted):
        problems.note(f"{where} is nested too deeply: it must be {extra[RULE]}")
        return None
    wrong = list(extra[CHECK](converted)) if CHECK in extra else []
    problems.note_all(f"{where} {one}" for one in wrong)
    return None if wrong else converted


def _wrong_items(kind: Any, value: object) -> Iterator[str]:  # noqa: ANN401 - any field's type
    """Yield which of the named values of a table are wrong, and what each must be: none of them is shown."""
    if _container_in(kind) is not dict or not isinstance(value, dict):
        return
    item_kind = next(get_args(part)[1] for part in _parts(kind) if get_origin(part) is dict)
    for name, item in value.items():
        try:
            msgspec.convert(item, item_kind)
        except msgspec.ValidationError:
            yield f"{shown_name(name)} is {_hidden(item_kind, item)}: it must be {_extra(item_kind)[RULE]}"


def _read_items(
    kind: Any,  # noqa: ANN401 - any field's type
    table: type[msgspec.Struct],
    value: list[object],
    where: str,
    problems: Problems,
    places: Mapping[str, str],
) -> object:
    """Return a list of tables."""
    outer, item = where.rpartition(", ")[0], _extra(kind)[ITEM]
    names = [f"{outer}, {item_name(one, item, number)}" for number, one in enumerate(value, 1)]
    items = [read_table(table, one, name, problems, places=places) for one, name in zip(value, names, strict=True)]
    return None if None in items else items


def _read_named(
    kind: Any,  # noqa: ANN401 - any field's type
    table: type[msgspec.Struct],
    value: dict[str, object],
    where: str,
    problems: Problems,
    places: Mapping[str, str],
) -> object:
    """Return a table of named tables."""
    extra, outer, word = _extra(kind), *where.rpartition(", ")[::2]
    wrong = list(extra[CHECK](value)) if CHECK in extra else []
    problems.note_all(f"{where} {one}" for one in wrong)
    named = {
        name: read_table(
            table,
            item,
            f"{outer}, {extra[ITEM]} {shown(name)}",
            problems,
            rule=f"a table, begun by [{word}.{shown_name(name)}], one bracket",
            places=places,
        )
        for name, item in value.items()
    }
    return None if wrong or None in named.values() else named


def _most(kind: Any) -> int:  # noqa: ANN401 - any type
    return next(meta.max_length for meta in _metas(kind) if meta.max_length is not None)


def _places(table: type[msgspec.Struct], value: Mapping[str, object], where: str) -> dict[str, str]:
    """Return where the words of this table belong, for one that is found in a table further in.

    Below a header everything is that table's: so a word that follows it is not this table's any more.
    """
    itself = f"to {where.rpartition(', ')[2]} itself, before the tables in it"
    found = {field.name: _extra(field.type).get(PLACE) for field in msgspec.structs.fields(table)}
    return {name: place or itself for name, place in found.items() if place or name not in value}


def _instead(name: str, table: type[msgspec.Struct], places: Mapping[str, str]) -> str:
    """Return what to do with a word that a table does not have, as the rest of a sentence."""
    if name in places:
        return f"which belongs {places[name]}"
    words = {field.name: field.type for field in msgspec.structs.fields(table)}
    if headers := [_extra(kind)[HEADER] for kind in words.values() if name in _words_below(kind)]:
        return f"which belongs below {' or '.join(headers)}"
    return f"which means nothing here: {instead(name.lower(), words)}"


def _words_below(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any type
    """Return the words of the tables that a header of their own begins."""
    table = _table_in(kind)
    return table.__struct_fields__ if table is not None and HEADER in _extra(kind) else ()


def _display(value: object) -> str:
    """Return a value for a problem: texts, numbers and short lists of them as they are."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "a list"
    text = json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, list) and len(text) > _LONGEST:
        return "a list"
    return shown(text) if looks_secret(text) else text


def _hidden(kind: Any, value: object) -> str:  # noqa: ANN401 - any type
    """Return what is wrong with a value that is not shown: its shape, if that is wrong."""
    if isinstance(value, dict | list) and not isinstance(value, _container_in(kind) or ()):
        return f"{'a table' if isinstance(value, dict) else 'a list'} (its values are not shown)"
    return f"not valid ({'its values are' if _container_in(kind) else 'its value is'} not shown)"


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


def _container_in(kind: Any) -> type[list[object]] | type[dict[str, object]] | None:  # noqa: ANN401 - any type
    """Return whether a field holds a list or a table of named values; None: one value, or one table."""
    return next((get_origin(part) for part in _parts(kind) if get_origin(part) in {list, dict}), None)
