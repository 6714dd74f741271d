"""Keeps what the stack writes to its user: state and logs hold SAS URLs and whatever the files of tasks hold."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

#: For child processes: what they make is their user's alone.
UMASK: Final = 0o077

#: What a stack makes in its folder: nothing else there is touched.
_OURS: Final = frozenset({"azurite", "batch", "logs", "stack.lock"})


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its user alone; one that is there stays as it is."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def close_to_others(folder: Path) -> None:
    """Take from others what a stack has made in its folder, also one of an older version.

    The folder itself is closed as well, unless it holds anything that is no stack's: then it is somebody's own.
    """
    names = {entry.name for entry in folder.iterdir()}
    if names <= _OURS:
        _close(folder)
    for name in sorted(names & _OURS):
        path = folder / name
        # From the inside out: who finds the upper folder closed knows that all below it is.
        for parent, folders, files in os.walk(path, topdown=False):
            for below in (*folders, *files):
                _close(Path(parent, below))
        _close(path)


def open_own_file(path: str, flags: int) -> int:
    """Open a file for its user alone, as `opener` of `open`; raise OSError for a link, a pipe or the like."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is no regular file", path)
    return descriptor


def _close(path: Path) -> None:
    # What a task of another user made, or one just removed, is not ours to change.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
