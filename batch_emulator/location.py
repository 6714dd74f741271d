"""Where one emulator keeps its state: a directory that it has to itself, or a temporary one."""

import fcntl
import shutil
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from batch_emulator.store.database import StoreError


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
            directory.mkdir(parents=True, exist_ok=True)
            root = directory.resolve()
            return cls(root=root, is_temporary=False, lock=_lock(root / "lock"))
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
        for name in ("batch.db", "batch.db-wal", "batch.db-shm"):
            (self.root / name).unlink(missing_ok=True)

    def release(self) -> None:
        if self.lock is not None:
            self.lock.close()
        if self.is_temporary:
            shutil.rmtree(self.root, ignore_errors=True)


def _lock(path: Path) -> TextIOWrapper:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise StoreError(f"Another emulator is using {path.parent}") from exc
    return lock
