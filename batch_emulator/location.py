"""Where one emulator keeps its state: a directory that it has to itself, or a temporary one."""

import fcntl
import shutil
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self

from batch_emulator.store.database import StoreError

#: The database and its journals.
_DATABASE: Final = ("batch.db", "batch.db-wal", "batch.db-shm")


@dataclass(frozen=True, kw_only=True)
class Location:
    """The state directory; ``database`` is None where the state ends with the process."""

    root: Path
    is_temporary: bool
    lock: TextIOWrapper | None = None

    @classmethod
    def claim(cls, directory: Path | None) -> Self:
        """Take a directory for this process, or make a temporary one. Raises StoreError."""
        if directory is None:
            root = Path(mkdtemp(prefix="batch-emulator-")).resolve()
            return cls(root=root, is_temporary=True)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            root = directory.resolve()
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
    (root / "batch.db").touch(mode=0o600)
    for name in (*_DATABASE, "lock"):
        if (path := root / name).exists():
            path.chmod(0o600)


def _lock(path: Path) -> TextIOWrapper:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise StoreError(f"Another emulator is using {path.parent}") from exc
    return lock
