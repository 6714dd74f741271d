"""Globs over blob names: `*` stays in a folder, `**` crosses folders.

    *.txt           text files at the top
    photos/*.jpg    in this folder
    photos/**/*.jpg in this folder and every one below
    **              everything
    ?, [abc], [!a]  one letter, one of these, none of these

Letters match exactly, capitals included, and a name that begins with a dot is like any other. Matching takes time in
proportion to name and glob: names come from strangers, and `glob.translate` of the standard library makes a regular
expression that backtracks for minutes over 200 letters (`**/*a*a*a*a*a*b`).
"""

import re
from fnmatch import translate
from functools import cache
from typing import Final

_ANY_FOLDERS: Final = "**"
_ANYTHING: Final = re.compile(".*", re.DOTALL)


def glob_problem(glob: str) -> str | None:
    """Return why a glob does not match what it seems to, as the rest of a sentence; None: it may."""
    if glob.startswith("/"):
        return "begins with a slash: leave it out (the few names that begin with one match **/...)"
    if any(_ANY_FOLDERS in part and part != _ANY_FOLDERS for part in glob.split("/")):
        return "has ** beside other letters: between slashes it stands alone, as in photos/**/*.jpg"
    if "{" in glob.replace("[{]", ""):
        return "has a brace, which is matched as it is: write several globs, or [{] if the name has one"
    return None


@cache
def compiled(glob: str) -> "Glob":
    """Return the glob, ready to match; the same text gives the same one."""
    return Glob(glob)


class Glob:
    """One glob. Compare names with `matches`."""

    def __init__(self, glob: str) -> None:
        parts = [_part(part) for part in glob.split("/")]
        #: A pattern for each part; None: any number of folders.
        self._parts: Final = [*parts, _ANYTHING] if parts[-1] is None else parts

    def matches(self, name: str) -> bool:
        """Return whether the whole name matches."""
        # Every place in the glob that the parts read so far may have led to.
        places = self._with_skipped({0})
        for part in name.split("/"):
            places = self._with_skipped({next_place for place in places for next_place in self._after(place, part)})
        return len(self._parts) in places

    def _after(self, place: int, part: str) -> tuple[int, ...]:
        """Return where one part of a name leads from a place: nowhere, on, or it stays with `**`."""
        if place == len(self._parts):
            return ()
        pattern = self._parts[place]
        if pattern is None:
            return (place,)
        return (place + 1,) if pattern.fullmatch(part) else ()

    def _with_skipped(self, places: set[int]) -> set[int]:
        """Add the places after each `**`, which may cross no folder at all."""
        reached = set(places)
        for place in places:
            after = place
            while after < len(self._parts) and self._parts[after] is None:
                after += 1
                reached.add(after)
        return reached


def _part(part: str) -> re.Pattern[str] | None:
    if part == _ANY_FOLDERS:
        return None
    # A wildcard takes no empty part: `*` does not match the middle of a//b.
    return re.compile(f"(?!\\Z){translate(part)}" if part else "")
