"""What a task printed, as text of bounded length: its beginning and its end."""

import os
from pathlib import Path
from typing import Final

from batch_emulator.regular_files import open_to_read
from batch_emulator.values.documents import Document

_FIRST: Final = 16 * 1024
_LAST: Final = 48 * 1024


def read_ends(path: Path) -> Document:
    """Return a file's size, its first bytes, how many are left out, and its last ones. Raises OSError.

    What is no UTF-8 is replaced: the text may be of any encoding, or none.
    """
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(min(size, _FIRST + _LAST))
        if size <= _FIRST + _LAST:
            return {"size": size, "first": _text(first), "omitted": 0, "last": ""}
        first = _without_end(first[:_FIRST])
        file.seek(size - _LAST)
        last = _without_beginning(file.read(_LAST))
        omitted = size - len(first) - len(last)
        return {"size": size, "first": _text(first), "omitted": omitted, "last": _text(last)}


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _without_end(content: bytes) -> bytes:
    """Leave out a last letter that is not whole."""
    for length in range(1, min(4, len(content)) + 1):
        byte = content[-length]
        if byte >> 6 != 0b10:
            is_whole = byte < 0x80 or length >= (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
            return content if is_whole else content[:-length]
    return content


def _without_beginning(content: bytes) -> bytes:
    """Leave out what remains of a letter that began before."""
    start = next((at for at, byte in enumerate(content[:4]) if byte >> 6 != 0b10), 0)
    return content[start:]
