"""Files of nodes and tasks: found below a root that no name can leave, listed, deleted."""

import errno
import mimetypes
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from batch_emulator.values.paths import is_inside
from batch_emulator.values.timestamps import to_wire


@dataclass(frozen=True, kw_only=True)
class FileRoot:
    """A directory whose files are served, and their URL without the last slash."""

    directory: Path
    url: str


class NotEmptyError(Exception):
    """A directory with something in it is to be deleted, but not what is in it."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file or directory below a root; `name` is relative to the root, with slashes."""

    path: Path
    name: str
    url: str
    is_directory: bool
    size: int
    modified: str
    mode: str

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def find_file(root: FileRoot, name: str) -> FileEntry | None:
    """Return what `name` is below the root; nothing outside of it is ever found."""
    path = _path_below(root.directory, name)
    try:
        if path is None or not _is_below(path := path.resolve(), root.directory):
            return None
        status = path.lstat()
    except (OSError, RuntimeError):
        return None
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    is_directory = stat.S_ISDIR(status.st_mode)
    return FileEntry(
        path=path,
        name=name,
        url=f"{root.url}/{quote(name)}",
        is_directory=is_directory,
        size=0 if is_directory else status.st_size,
        # Linux does not report when a file was created: the last change of its state comes nearest.
        modified=_time(status.st_mtime),
        mode=f"0o{status.st_mode:o}",
    )


def _time(timestamp: float) -> str:
    return to_wire(datetime.fromtimestamp(timestamp, UTC))


def _path_below(root: Path, name: str) -> Path | None:
    """Return where a name points to, None where it is no name of something below the root."""
    path = root / name
    return path if is_inside(name) and path.name != ".." and path != root else None


def _is_below(resolved: Path, root: Path) -> bool:
    own = root.resolve()
    return resolved != own and resolved.is_relative_to(own)


def remove_file(root: FileRoot, name: str, *, recursive: bool) -> bool:
    """Delete a file or directory; return False if there is none. Raises NotEmptyError.

    A link is deleted itself, never what it points to. Blocks: a directory can hold much.
    """
    path = _path_below(root.directory, name)
    try:
        if path is None or not path.parent.resolve().is_relative_to(root.directory.resolve()):
            return False
        _remove(path, recursive=recursive)
    except (OSError, RuntimeError) as exc:
        if isinstance(exc, OSError) and exc.errno == errno.ENOTEMPTY:
            raise NotEmptyError(name) from exc
        return False
    return True


def _remove(path: Path, *, recursive: bool) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()
    elif recursive:
        shutil.rmtree(path)
    else:
        path.rmdir()


def list_files(root: Path, *, recursive: bool) -> list[str]:
    """Return the names of the files and directories below the root, in the order of lists."""
    return sorted(_names(root, "", recursive=recursive), key=list_order)


def list_order(name: str) -> tuple[int, str]:
    """Sort a directory before what is in it, level by level (recording of the real service)."""
    return name.count("/"), name


def _names(directory: Path, prefix: str, *, recursive: bool) -> Iterator[str]:
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        if not _is_text(entry.name):
            continue
        yield prefix + entry.name
        if recursive and entry.is_dir(follow_symlinks=False):
            yield from _names(directory / entry.name, f"{prefix}{entry.name}/", recursive=True)


def _is_text(name: str) -> bool:
    """Leave out names that no URL and no JSON can hold."""
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)
