"""Files of nodes and tasks on the wire."""

import mimetypes
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from batch_emulator.model.resource_files import is_inside
from batch_emulator.model.schema import Document
from batch_emulator.model.timestamps import to_wire


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file or directory below a root; ``name`` is relative to the root, with slashes."""

    path: Path
    name: str
    url: str
    is_directory: bool
    size: int
    created: str
    modified: str
    mode: str

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    def on_wire(self) -> Document:
        """Return the item of a list of files; directories have no properties."""
        item: Document = {"name": self.name, "url": self.url, "isDirectory": self.is_directory}
        if not self.is_directory:
            item["properties"] = {
                "creationTime": self.created,
                "lastModified": self.modified,
                "contentLength": str(self.size),
                "contentType": self.content_type,
                "fileMode": self.mode,
            }
        return item


def find_file(root: Path, name: str, url: str) -> FileEntry | None:
    """Return what ``name`` is below the root; nothing outside of it is ever found."""
    if not is_inside(name):
        return None
    path = root / name
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            return None
        status = path.stat()
    except (OSError, RuntimeError):
        return None
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    return FileEntry(
        path=path,
        name=name,
        url=f"{url}/{quote(name)}",
        is_directory=stat.S_ISDIR(status.st_mode),
        size=status.st_size,
        # Linux does not tell when a file was made: the last change of its state is nearest.
        created=_time(min(status.st_ctime, status.st_mtime)),
        modified=_time(status.st_mtime),
        mode=f"0o{status.st_mode:o}",
    )


def _time(timestamp: float) -> str:
    return to_wire(datetime.fromtimestamp(timestamp, UTC))


def list_files(root: Path, *, recursive: bool) -> list[str]:
    """Return the names of the files and directories below the root, sorted."""
    return sorted(_names(root, "", recursive=recursive))


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
