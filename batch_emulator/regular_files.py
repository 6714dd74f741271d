"""Opens files where somebody else can put anything: tasks in their directories, other users in shared ones.

Only the file itself is opened: no link is followed, and no pipe is waited for, which would stop everything. The
directories on the way to it are for the caller to check.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE: Final = 0o666
#: What `open` says of a link, and of a pipe or socket that nobody reads.
_OTHER_KINDS: Final = frozenset({errno.ELOOP, errno.ENXIO})


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises OSError, also for a link, a pipe or a directory."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def open_to_append(path: Path, mode: int = _MODE) -> BinaryIO:
    """Open a regular file, or a new one with this mode, to write after its end. Raises OSError."""
    return os.fdopen(open_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode), "ab")


def create(path: Path, mode: int = _MODE) -> BinaryIO:
    """Create a file for writing; what had its name, such as a link or a pipe, is removed. Raises OSError."""
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(open_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def open_descriptor(path: Path, flags: int, mode: int = _MODE) -> int:
    """Open a regular file by the flags of `os.open`; the descriptor is the caller's to close. Raises OSError."""
    try:
        descriptor = os.open(path, flags | _FLAGS, mode)
    except OSError as exc:
        raise (_not_regular(path) if exc.errno in _OTHER_KINDS else exc) from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    # A task inherits it as its output.
    os.set_blocking(descriptor, True)
    return descriptor


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "It is no regular file, but a link, a pipe or the like", str(path))
