"""Finds the files that an output file's pattern names (SDK documentation of OutputFile.filePattern)."""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WILDCARD: Final = re.compile(r"[*?\[]")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A file; ``name`` is relative to the last directory of the pattern that is not a wildcard."""

    path: Path
    name: str


def has_wildcards(pattern: str) -> bool:
    return _WILDCARD.search(pattern) is not None


def expand_variables(pattern: str, environment: Mapping[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}``; what the task has no variable for stays."""
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), pattern)


def find_matches(pattern: str, working: Path, node: Path) -> list[Match]:
    """Return the files that match, sorted. Blocks: the directories may hold much.

    ``*``, ``?`` and ``[]`` match within a name, ``**`` any directories; none of them a leading dot. A
    relative pattern is relative to ``working``. Links to directories are not followed, and nothing
    outside ``node`` is found.
    """
    rest = _rest(pattern)
    top = working / pattern.removesuffix(rest)
    found = _walk(top, rest) if has_wildcards(rest) else iter([rest])
    matches = [Match(path=top / name, name=name) for name in found]
    return sorted((match for match in matches if _is_file_below(match, node)), key=lambda match: match.name)


def _rest(pattern: str) -> str:
    """Return the pattern from its first part with a wildcard on, or its last part."""
    parts = pattern.split("/")
    first = next((index for index, part in enumerate(parts) if has_wildcards(part)), len(parts) - 1)
    return "/".join(parts[first:])


def _walk(top: Path, pattern: str) -> Iterator[str]:
    matches = re.compile(glob.translate(pattern, recursive=True, include_hidden=False)).match
    deepest = None if "**" in pattern else pattern.count("/")
    for directory, folders, files in os.walk(top):
        relative = os.path.relpath(directory, top)
        prefix = "" if relative == "." else f"{relative}/"
        if prefix.count("/") == deepest:
            folders.clear()
        yield from (prefix + name for name in files if matches(prefix + name))


def _is_file_below(match: Match, node: Path) -> bool:
    try:
        match.name.encode()
        return match.path.is_file() and match.path.resolve().is_relative_to(node.resolve())
    except (OSError, RuntimeError, ValueError):
        # A loop of links, a name that is too long, or one that no URL can hold.
        return False
