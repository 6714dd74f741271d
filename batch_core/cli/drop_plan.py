"""Which blobs files and folders become when they are dropped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch_core.errors import AppError
from batch_core.naming import MAX_BLOB_NAME_LENGTH, has_dot_segment, is_blob_name


class NotDropped(AppError):
    """A path cannot be dropped as it is: the text says which, and why."""


@dataclass(frozen=True, kw_only=True)
class Dropping:
    """A file and the name of the blob that it becomes."""

    file: Path
    name: str


def plan(paths: Sequence[Path], prefix: str = "") -> list[Dropping]:
    """Return what is to be dropped: a file under its own name, a folder's files under their paths below it.

    The prefix is put before each name as it is. Raises `NotDropped` for a path that is neither file nor folder, an
    empty folder, a name that no blob can have, and two files that would become the same blob.
    """
    by_name: dict[str, Path] = {}
    for path in paths:
        for one in _files(path, prefix):
            other = by_name.setdefault(one.name, one.file)
            if other.absolute() != one.file.absolute():
                raise NotDropped(
                    f"nothing was dropped: {other} and {one.file} would both be the blob {one.name!r};"
                    " drop a folder that holds both, or one after the other"
                )
    return [Dropping(file=file, name=name) for name, file in by_name.items()]


def _files(path: Path, prefix: str) -> Iterator[Dropping]:
    if path.is_file():
        yield Dropping(file=path, name=_blob_name(path, prefix, Path(path.absolute().name)))
        return
    if not path.is_dir():
        reason = "it is neither a file nor a folder" if path.exists() else "there is no such file"
        raise NotDropped(f"cannot drop {path}: {reason}")
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise NotDropped(f"cannot drop {path}: the folder holds no file")
    for file in files:
        yield Dropping(file=file, name=_blob_name(file, prefix, file.relative_to(path)))


def _blob_name(file: Path, prefix: str, name: Path) -> str:
    text = prefix + name.as_posix()
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise NotDropped(f"cannot drop {str(file)!r}: its name is not UTF-8, as a blob's must be")
    if has_dot_segment(text):
        raise NotDropped(f"cannot drop {file} as {text!r}: a part '.' or '..' would lead to another blob")
    if not is_blob_name(text):
        longest = f"a blob's name has at most {MAX_BLOB_NAME_LENGTH} characters, and none is U+0000"
        raise NotDropped(f"cannot drop {file} as {text!r}: {longest}")
    return text
