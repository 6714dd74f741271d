"""A small description language for request bodies: what a property may be, and what it becomes.

A *reader* takes a property's name and its JSON value and returns the value to store, or raises
BatchError. Properties that no reader describes are kept as they came: newer clients may send more
than the emulator knows.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from batch_emulator.errors import (
    BatchError,
    ErrorCode,
    invalid_property,
    missing_property,
)
from batch_emulator.values.documents import Document, from_json
from batch_emulator.values.durations import normalised

#: Takes a property's name and its JSON value, and returns the value to store. Raises BatchError.
type Reader = Callable[[str, object], Any]


def property_names(names: str) -> frozenset[str]:
    """Return the names of a resource's properties from a text of words."""
    return frozenset(names.split())


#: How deep a body may be nested.
_DEEPEST: Final = 200
_USUAL_DEPTH: Final = 20
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_body(body: bytes) -> Document:
    """Return the JSON object of a request body. Raises InvalidRequestBody."""
    try:
        value = from_json(body.removeprefix(BOM_UTF8).decode())
        _check_depth(body, value)
    except (ValueError, RecursionError) as exc:
        reason = f"The body is not JSON: {exc}" if body else "The body is empty"
        raise BatchError(ErrorCode.INVALID_REQUEST_BODY, Reason=reason) from exc
    if not isinstance(value, dict):
        raise BatchError(ErrorCode.INVALID_REQUEST_BODY, Reason="The body is not a JSON object")
    return value


def _check_depth(body: bytes, value: object) -> None:
    """Raise ValueError for nesting that could be kept here, and not be shown where the stack is deeper."""
    if _collapses(body):
        return
    level, depth = [value], 0
    while level := [inner for outer in level for inner in _inside(outer)]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")


def _collapses(body: bytes) -> bool:
    """Return whether the brackets vanish when the innermost pairs are taken away a few times: quicker than a look."""
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(_USUAL_DEPTH):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return True
    return False


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid_property(name, value, "A string is expected")
    if "\0" in value or not _is_unicode(value):
        raise invalid_property(name, "", "The string holds characters that cannot be stored")
    return value


def _is_unicode(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def short_text(longest: int) -> Reader:
    def read(name: str, value: object) -> str:
        if len(result := text(name, value)) > longest:
            raise invalid_property(name, result, f"At most {longest} characters are allowed")
        return result

    return read


def filled_text(name: str, value: object) -> str:
    if not (result := text(name, value)).strip():
        raise invalid_property(name, value, "A value that is not blank is expected")
    return result


def lowered_text(name: str, value: object) -> str:
    """Read a name that the service keeps in lower case (recordings: VM sizes)."""
    return filled_text(name, value).lower()


def resource_id(name: str, value: object) -> str:
    """Read an id: 1 to 64 letters, digits, hyphens and underscores."""
    if not _ID.fullmatch(result := text(name, value)):
        reason = "An id has 1 to 64 characters: letters, digits, hyphen, underscore"
        raise invalid_property(name, value, reason)
    return result


def integer(lowest: int, highest: int = 2**31 - 1) -> Reader:
    """Read a whole number; the az command line sends numbers as strings."""

    def read(name: str, value: object) -> int:
        number = _whole_number(value)
        if number is None:
            raise invalid_property(name, value, "A whole number is expected")
        if not lowest <= number <= highest:
            raise invalid_property(name, value, f"A number from {lowest} to {highest} is expected")
        return number

    return read


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def boolean(name: str, value: object) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise invalid_property(name, value, "true or false is expected")
    return value


def one_of(*allowed: str) -> Reader:
    """Read a value of an enumeration, in any case; it is stored as spelled here."""
    spelling = {choice.lower(): choice for choice in allowed}

    def read(name: str, value: object) -> str:
        if (found := spelling.get(text(name, value).lower())) is None:
            raise invalid_property(name, value, f"One of {', '.join(allowed)} is expected")
        return found

    return read


def duration(name: str, value: object) -> str:
    """Read an ISO 8601 duration; it is stored normalised."""
    try:
        return normalised(text(name, value))
    except ValueError as exc:
        raise invalid_property(name, value, str(exc)) from exc


def list_of(item: Reader) -> Reader:
    def read(name: str, value: object) -> list[object]:
        if not isinstance(value, list):
            raise invalid_property(name, value, "A list is expected")
        return [item(f"{name}[{index}]", entry) for index, entry in enumerate(value)]

    return read


def record(properties: Mapping[str, Reader], required: frozenset[str] = frozenset()) -> Reader:
    """Read an object: each known property by its reader, null as absent, the unknown kept."""
    in_order = [key for key in properties if key in required]

    def read(name: str, value: object) -> Document:
        if not isinstance(value, dict):
            raise invalid_property(name, value, "An object is expected")
        prefix = f"{name}." if name else ""
        # In the order of the properties: a set has another order in every process.
        for key in in_order:
            if value.get(key) is None:
                raise missing_property(prefix + key)
        return {
            key: properties[key](prefix + key, entry) if key in properties else entry
            for key, entry in value.items()
            if entry is not None
        }

    return read


#: What the service says of its resources: a client that sends it says nothing.
_OF_THE_SERVICE: Final = property_names(
    "id url eTag lastModified creationTime state stateTransitionTime previousState previousStateTransitionTime "
    "allocationState allocationStateTransitionTime currentDedicatedNodes currentLowPriorityNodes resizeErrors "
    "autoScaleRun executionInfo nodeInfo stats odata.metadata"
)


def resource(properties: Mapping[str, Reader], required: frozenset[str] = frozenset()) -> Reader:
    """Read a resource as a client describes it: a record without what only the service can set."""
    read_all, dropped = record(properties, required), _OF_THE_SERVICE - properties.keys()

    def read(name: str, value: object) -> Document:
        found: Document = read_all(name, value)
        for key in dropped.intersection(found):
            del found[key]
        return found

    return read


environment_settings = list_of(record({"name": filled_text, "value": text}, frozenset({"name"})))
metadata = list_of(record({"name": text, "value": text}, frozenset({"name", "value"})))
display_name = short_text(1024)
