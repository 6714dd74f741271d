"""The `console` blocks of a document: commands, what they print, and whether a run printed what is written there.

In what is written, `...` means anything: a part of a text, lines, entries of a list, a value, fields of an object. What
differs from run to run has to be of the same kind; an id, or an ETag, that is written twice has to be the same both
times, and a command that names it is given that of the run.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

GAP: Final = "..."
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STAMP, _DIGEST = r"\d{8}T\d{6}", "[0-9a-f]{16}"
TASK_ID: Final = re.compile(rf"\b{_STAMP}-[a-z0-9-]+?-{_DIGEST}(?:-r\d+)?\b")
#: Names that are the same wherever they are written: of tasks, selections and versions, and the port.
_NAMES: Final = {
    "task": TASK_ID.pattern,
    "selection": r"\b\d{14}-[0-9a-f]{12}\b",
    "etag": r"\b0x[0-9A-F]{8,}\b",
    "port": r"(?:(?<=localhost:)|(?<=127\.0\.0\.1:))\d+\b",
}
#: What only has to be of its kind: the id of a node, perhaps cut, a time, a minute, a day.
_KINDS: Final = {
    "node": r"\btvmps_[0-9a-f]+(?:_d\b)?",
    "time": r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "minute": r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b",
    "day": r"\b\d{4}-\d\d-\d\d\b",
}
_VARYING: Final = {**_NAMES, **_KINDS, "gap": re.escape(GAP)}
_TOKEN: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _VARYING.items()))
_NAME: Final = re.compile("|".join(_NAMES.values()))
_JSON_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|[][{}]')

#: What the names of a document are in this run.
type Names = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, and what is written below it."""

    command: str
    shown: str


def steps_of(document: str) -> list[Step]:
    found = [
        step.partition("\n")
        for block in _BLOCK.findall(document)
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]
    return [Step(command=command, shown=shown.strip("\n")) for command, _, shown in found]


def named(command: str, names: Names) -> str:
    """Return a command with the names of this run; raises `AssertionError` for one that nothing printed before."""
    unknown = {name for name in _NAME.findall(command) if name not in names}
    assert not unknown, f"{command}\nnames what no reply above it shows: {', '.join(sorted(unknown))}"
    return _NAME.sub(lambda found: names[found[0]], command)


def fits(shown: str, printed: str, names: Names) -> Names | None:
    """Return all names that are known now if this was printed; None if something else was."""
    known = dict(names)
    return known if _fits_all(_items(shown), _items(printed), known) else None


def _items(text: str) -> list[object]:
    """Return the lines of a text; an object that begins a line, and may take several, is one item."""
    items: list[object] = []
    rest = text.replace("\r\n", "\n").strip("\n")
    while rest:
        item, rest = _object(rest) if rest.startswith("{") else _line(rest)
        items.append(item)
    return items


def _line(text: str) -> tuple[object, str]:
    line, _, rest = text.partition("\n")
    return line, rest


def _object(text: str) -> tuple[object, str]:
    """Read the object that a text begins with, in which there may be gaps, else a line; returns it and what follows."""
    parts, opened, end = [], [], 0
    for found in _JSON_PART.finditer(text):
        part = found[0]
        parts.append(text[end : found.start()])
        end = found.end()
        if part == GAP:
            is_field = opened[-1] == "{" and not "".join(parts).rstrip().endswith(":")
            part = f'"{GAP}": null' if is_field else f'"{GAP}"'
        elif part in "[{":
            opened.append(part)
        elif part in "]}":
            opened.pop()
        parts.append(part)
        if not opened:
            break
    try:
        return json.loads("".join(parts)), text[end:].removeprefix("\n")
    except ValueError:
        return _line(text)


def _fits_all(shown: list[object], printed: list[object], names: Names) -> bool:
    """Compare items one by one; a gap takes any number of them."""
    if not shown:
        return not printed
    if shown[0] != GAP:
        return bool(printed) and _fits(shown[0], printed[0], names) and _fits_all(shown[1:], printed[1:], names)
    for left_out in range(len(printed) + 1):
        known = dict(names)
        if _fits_all(shown[1:], printed[left_out:], known):
            names.update(known)
            return True
    return False


def _fits(shown: object, printed: object, names: Names) -> bool:
    if shown == GAP:
        return True
    match shown, printed:
        case str(), str():
            return _fits_text(shown, printed, names)
        case dict(), dict():
            return _fits_object(shown, printed, names)
        case list(), list():
            return _fits_all(shown, printed, names)
    # Not 1 for true, nor 0.0 for 0.
    return type(shown) is type(printed) and shown == printed


def _fits_object(shown: dict[str, object], printed: dict[str, object], names: Names) -> bool:
    fields = [field for field in shown if field != GAP]
    if GAP not in shown and len(printed) != len(shown):
        return False
    return all(field in printed and _fits(shown[field], printed[field], names) for field in fields)


def _fits_text(shown: str, printed: str, names: Names) -> bool:
    pattern, written, end = "", [], 0
    for found in _TOKEN.finditer(shown):
        pattern += re.escape(shown[end : found.start()])
        end = found.end()
        if found.lastgroup in _NAMES:
            written.append(found[0])
            pattern += f"({_alike(found[0]) if found.lastgroup == 'task' else _NAMES[found.lastgroup]})"
        else:
            pattern += ".*" if found[0] == GAP else _KINDS[found.lastgroup]
    match = re.fullmatch(pattern + re.escape(shown[end:]), printed)
    if match is None:
        return False
    for name, meant in zip(written, match.groups(), strict=True):
        if names.setdefault(name, meant) != meant:
            return False
    # What differs in the document differs here.
    return len(names) == len(set(names.values()))


def _alike(task_id: str) -> str:
    """Return a pattern of the ids of tasks of the same file and attempt."""
    return re.sub(_DIGEST, _DIGEST, re.sub(_STAMP, lambda _: _STAMP, task_id))
