"""Files of this machine that are made of names that others chose: none is written outside its folder, none in part."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def saved_as(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Give a file that is written to; it has its name below the folder when the block is left, and not if that raises.

    Raises `ValueError` for a name that leads elsewhere or that no file can have, and `OSError`.
    """
    target = _made_place(folder, name)
    partial = target.with_name(f"{uuid4().hex}.part")
    try:
        with partial.open("xb") as opened:
            yield opened
        # In the place of a link, should there be one, and not of what it leads to.
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _made_place(folder: Path, name: str) -> Path:
    """Return the path of a file below the folder, after making the folders it is in."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = name.split("/")
    # The second is about drives and backslashes, which are parts of paths on some systems.
    if any(part in {"", ".", ".."} or Path(part).parts != (part,) or "\0" in part for part in parts):
        raise ValueError("no file below the folder can have this name")
    place = folder
    for part in parts[:-1]:
        place /= part
        if place.is_symlink():
            raise ValueError(f"{place} is a link, which may lead out of the folder")
        place.mkdir(exist_ok=True)
    return place / parts[-1]
