"""Every path on an emulated node: this module alone knows where files are.

The layout is the service's: https://learn.microsoft.com/azure/batch/files-and-directories
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from batch_emulator.values.paths import job_root, task_root

#: The directories of a node's root, as recorded from the service.
ROOT_DIRECTORIES: Final = ("applications", "fsmounts", "shared", "startup", "volatile", "workitems")


@dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """The directory of one task, or of a start task: its output and its working directory."""

    root: Path

    @property
    def working(self) -> Path:
        return self.root / "wd"

    @property
    def stdout(self) -> Path:
        return self.root / "stdout.txt"

    @property
    def stderr(self) -> Path:
        return self.root / "stderr.txt"

    @property
    def upload_out(self) -> Path:
        """What the upload of output files did."""
        return self.root / "fileuploadout.txt"

    @property
    def upload_err(self) -> Path:
        """What it could not do."""
        return self.root / "fileuploaderr.txt"

    def prepare(self) -> None:
        """Make the directory."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.working.mkdir(mode=0o770)

    def prepare_unless_there(self) -> None:
        """Make what a command has at its start, for one that was ended before it had that: empty output."""
        if not self.root.is_dir():
            self.prepare()
            self.stdout.touch()
            self.stderr.touch()

    def detach(self) -> "RunDirectory":
        """Move it out of the way at once, so that its removal can take its time."""
        aside = RunDirectory(root=self.root.with_name(f".{self.root.name}.{uuid4().hex}"))
        with suppress(FileNotFoundError):
            self.root.rename(aside.root)
        return aside

    def remove(self) -> None:
        """Delete all of it; files that vanish meanwhile, or cannot go, do not matter."""
        shutil.rmtree(self.root, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class NodeDirectory:
    """The root directory of one node."""

    root: Path

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    @property
    def startup(self) -> Path:
        return self.root / "startup"

    @property
    def applications(self) -> Path:
        """The parent of the unpacked application packages."""
        return self.root / "applications"

    @property
    def mounts(self) -> Path:
        return self.root / "fsmounts"

    def create(self, mounts: Iterable[str] = ()) -> None:
        """Make the root's directories, and an empty one for each mount; `mounts` must stay inside."""
        for name in (*ROOT_DIRECTORIES, *(f"fsmounts/{mount}" for mount in mounts)):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def start_task(self) -> RunDirectory:
        return RunDirectory(root=self.startup)

    def task(self, job_id: str, task_id: str) -> RunDirectory:
        return RunDirectory(root=self.root / task_root(job_id, task_id))

    def remove_job(self, job_id: str) -> None:
        directory = self.root / job_root(job_id)
        shutil.rmtree(directory, ignore_errors=True)
        # The directory above is that of all jobs of a schedule.
        with suppress(OSError):
            directory.parent.rmdir()


@dataclass(frozen=True, kw_only=True)
class NodeDirectories:
    """Where all nodes of one emulator keep their files."""

    root: Path

    def node(self, node_id: str) -> NodeDirectory:
        return NodeDirectory(root=self.root / node_id)

    def remove_job(self, job_id: str) -> None:
        """Delete a job's files on every node; blocks, so it belongs in a thread."""
        with suppress(FileNotFoundError):
            for node in self.root.iterdir():
                NodeDirectory(root=node).remove_job(job_id)
