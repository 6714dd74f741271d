"""Where one emulator keeps its state: a directory that it has to itself, or a temporary one."""

import os
import shutil
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, Final, Self

from batch_emulator.regular_files import open_descriptor
from batch_emulator.store.database import StoreError

if sys.platform == "win32":
    # Here, and not where the package is imported: pytest imports its fixtures wherever it is installed.
    raise ImportError(
        "The Batch emulator runs on Linux and macOS, not on Windows, where processes have no groups and files no "
        "modes: start it in WSL 2, or as a container"
    )
import fcntl

#: The database and its journals.
_DATABASE: Final = ("batch.db", "batch.db-wal", "batch.db-shm")


@dataclass(frozen=True, kw_only=True)
class Location:
    """The state directory; `database` is None where the state ends with the process."""

    root: Path
    is_temporary: bool
    lock: BinaryIO | None = None

    @classmethod
    def claim(cls, directory: Path | None) -> Self:
        """Take a directory for this process, or make a temporary one. Raises StoreError."""
        if directory is None:
            root = Path(mkdtemp(prefix="batch-emulator-")).resolve()
            return cls(root=root, is_temporary=True)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            root = directory.resolve()
            _check_own(root)
            lock = _lock(root / "lock")
            _make_private(root)
            return cls(root=root, is_temporary=False, lock=lock)
        except OSError as exc:
            raise StoreError(f"The location {directory} cannot be used: {exc.strerror}") from exc

    @property
    def database(self) -> Path | None:
        return None if self.is_temporary else self.root / "batch.db"

    @property
    def nodes(self) -> Path:
        """The parent of the nodes' root directories."""
        return self.root / "nodes"

    @property
    def applications(self) -> Path:
        """Where the user may put application packages."""
        return self.root / "applications"

    def wipe(self) -> None:
        """Remove what an emulator has left here; none may be using it."""
        shutil.rmtree(self.nodes, ignore_errors=True)
        for name in _DATABASE:
            (self.root / name).unlink(missing_ok=True)
        if not self.is_temporary:
            _make_private(self.root)

    def release(self) -> None:
        if self.lock is not None:
            self.lock.close()
        if self.is_temporary:
            shutil.rmtree(self.root, ignore_errors=True)


def _make_private(root: Path) -> None:
    """Keep other users out, also of what an older version left: the database and the nodes hold SAS URLs and keys.

    SQLite gives its journals the mode of the database. The directory itself is left as it is: it may be shared.
    """
    (root / "nodes").mkdir(mode=0o700, exist_ok=True)
    (root / "nodes").chmod(0o700)
    for name in (*_DATABASE, "lock"):
        with suppress(FileNotFoundError):
            flags = os.O_RDWR | (os.O_CREAT if name == "batch.db" else 0)
            descriptor = open_descriptor(root / name, flags, 0o600)
            os.fchmod(descriptor, 0o600)
            os.close(descriptor)


def _check_own(root: Path) -> None:
    """Refuse what leads to files elsewhere: in a shared directory it may be anybody's. Raises StoreError."""
    for name in (*_DATABASE, "lock", "nodes"):
        path, kind = root / name, "directory" if name == "nodes" else "file"
        with suppress(FileNotFoundError):
            if not _is_own(path.lstat(), kind):
                raise StoreError(
                    f"{path} is no {kind} of its own but a link or the like: remove it, or use another place"
                )


def _is_own(status: os.stat_result, kind: str) -> bool:
    if kind == "directory":
        return stat.S_ISDIR(status.st_mode)
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _lock(path: Path) -> BinaryIO:
    # The holder of the lock may have written to the file: it is only opened.
    lock = os.fdopen(open_descriptor(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise StoreError(f"Another emulator is using {path.parent}") from exc
    return lock
