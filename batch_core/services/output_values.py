"""Output of tasks as it is read and listed, wherever it is: on a node or in the output container."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

#: The most that is read of a file at a time, in bytes.
MOST_BYTES: Final = 4 * 1024 * 1024
#: Files of a page; no list of Batch has more (https://learn.microsoft.com/rest/api/batchservice/file/list-from-task).
MOST_FILES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Bytes of a file whose size need not be known: `length` of them from byte `start` on, or the last `length`.

    `start` None means the last ones, `length` None all that follow. Of more than `MOST_BYTES` the first are meant.
    """

    start: int | None = 0
    length: int | None = None

    @property
    def most(self) -> int:
        """How many bytes it has at most."""
        return MOST_BYTES if self.length is None else min(self.length, MOST_BYTES)

    def start_in(self, size: int) -> int:
        """Return where it begins in a file of this size; that may be beyond its end."""
        return max(0, size - (self.length or 0)) if self.start is None else self.start


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """Bytes of a file from byte `start` on, and the size of the whole file when they were read.

    Without content there was nothing from there on: the file ended there, or before if `start` is beyond `size`.
    """

    start: int
    content: bytes = field(repr=False)
    size: int
    #: Of the version that was read, in quotation marks; None: the file may still change.
    etag: str | None = None


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file: its name, relative to the folder that was listed, and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class FilePage:
    """Some files, and where the next page begins; `has_more` alone: there are others, which cannot be listed."""

    files: Sequence[ListedFile] = ()
    continuation: str | None = None
    has_more: bool = False
