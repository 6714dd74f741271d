"""Finds the files that an output file's pattern names (SDK documentation of OutputFile.filePattern)."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WILDCARD: Final = re.compile(r"[*?\[]")
#: Longer patterns find nothing: no path is longer (PATH_MAX of linux/limits.h).
_LONGEST: Final = 4096
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A file; `name` is relative to the last directory of the pattern that is not a wildcard.

    `path` has no link in it.
    """

    path: Path
    name: str


def has_wildcards(pattern: str) -> bool:
    return _WILDCARD.search(pattern) is not None


def expand_variables(pattern: str, environment: Mapping[str, str]) -> str:
    """Replace `$NAME` and `${NAME}`; what the task has no variable for stays."""
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), pattern)


def find_matches(pattern: str, working: Path, node: Path) -> list[Match]:
    """Return the files that match, sorted. Blocks: the directories may hold much.

    `*`, `?` and `[]` match within a name, `**` any directories; none of them a leading dot. A
    relative pattern is relative to `working`. Links to directories are not followed, and nothing
    outside `node` is found.
    """
    if len(pattern) > _LONGEST:
        return []
    rest = _rest(pattern)
    top = working / pattern.removesuffix(rest)
    found = _walk(top, rest) if has_wildcards(rest) else iter([rest])
    matches = [_match(top / name, name, node) for name in found]
    return sorted(filter(None, matches), key=lambda match: match.name)


def _rest(pattern: str) -> str:
    """Return the pattern from its first part with a wildcard on, or its last part."""
    parts = pattern.split("/")
    first = next((index for index, part in enumerate(parts) if has_wildcards(part)), len(parts) - 1)
    return "/".join(parts[first:])


def _walk(top: Path, pattern: str) -> Iterator[str]:
    parts = [None if part == "**" else _name_matcher(part) for part in pattern.split("/")]
    deepest = None if "**" in pattern else pattern.count("/")
    for directory, folders, files in os.walk(top):
        relative = os.path.relpath(directory, top)
        prefix = "" if relative == "." else f"{relative}/"
        if prefix.count("/") == deepest:
            folders.clear()
        yield from (prefix + name for name in files if _matches(parts, (prefix + name).split("/")))


#: Whether a pattern's part matches a name; None is `**`, which matches any number of directories.
type _Part = Callable[[str], bool] | None


def _name_matcher(part: str) -> _Part:
    # The translation of one name never goes back to an earlier star, so it takes no exponential time.
    match, shows_hidden = re.compile(fnmatch.translate(part)).match, part[:1] not in {"*", "?", "["}
    return lambda name: (shows_hidden or not name.startswith(".")) and match(name) is not None


def _matches(parts: Sequence[_Part], names: Sequence[str]) -> bool:
    """Return whether a path matches, in time proportional to parts times names: all readings are followed at once."""
    reached = _with_skipped({0}, parts)
    for name in names:
        reached = _with_skipped({after for at in reached for after in _after(at, parts, name)}, parts)
    return len(parts) in reached


def _after(at: int, parts: Sequence[_Part], name: str) -> set[int]:
    if at == len(parts):
        return set()
    part = parts[at]
    if part is not None:
        return {at + 1} if part(name) else set()
    return set() if name.startswith(".") else {at, at + 1} if at == len(parts) - 1 else {at}


def _with_skipped(reached: set[int], parts: Sequence[_Part]) -> set[int]:
    """Add what is reached where `**` matches no directory; the last one matches a file, so it is not skipped."""
    for at in range(len(parts) - 1):
        if at in reached and parts[at] is None:
            reached.add(at + 1)
    return reached


def _match(path: Path, name: str, node: Path) -> Match | None:
    """Follow links to the file that is meant; None for none, or one outside the node."""
    try:
        name.encode()
        path = path.resolve()
        return Match(path=path, name=name) if path.is_file() and path.is_relative_to(node.resolve()) else None
    except (OSError, RuntimeError, ValueError):
        # A loop of links, a name that is too long, or one that no URL can hold.
        return None
