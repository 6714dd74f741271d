"""One stack at a time in a folder: two would write the same files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from local.errors import FolderError
from local.permissions import open_own_file

_NAME: Final = "stack.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder until the block is left, or the process is gone; raise FolderError, which says who holds it.

    The lock is the operating system's, so that none is left behind; the process id in the file is for people. The file
    stays: who removed it could hold a lock on a file that others no longer see.
    """
    with _opened(folder / _NAME) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            holder = file.read().strip() or "of which nothing is known"
            raise FolderError(
                f"a stack is up already in {folder} (process {holder}): end that one, or choose another folder with"
                " --state"
            ) from exc
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _opened(path: Path) -> TextIO:
    try:
        return open(path, "a+", encoding="utf-8", opener=open_own_file)
    except OSError as exc:
        raise FolderError(
            f"{path} cannot be locked ({exc.strerror or exc}): remove it, or choose another folder"
        ) from exc
