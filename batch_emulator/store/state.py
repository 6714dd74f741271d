"""Everything the emulator remembers, in one place."""

from contextlib import AbstractContextManager
from pathlib import Path

from batch_emulator.store.database import Database
from batch_emulator.store.dependencies import Dependencies
from batch_emulator.store.dump import Table, newest_rows
from batch_emulator.store.job_nodes import JobNodes
from batch_emulator.store.job_schedules import JobSchedules
from batch_emulator.store.jobs import JobRow, Jobs
from batch_emulator.store.newest import Newest, TaskSearch, newest_jobs, newest_pools, newest_tasks
from batch_emulator.store.nodes import Nodes
from batch_emulator.store.pools import PoolRow, Pools
from batch_emulator.store.subtasks import Subtasks
from batch_emulator.store.tasks import TaskRow, Tasks


class Store:
    """The tables of one state directory, or of one process where `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self._database = Database(path)
        self.pools = Pools(self._database)
        self.nodes = Nodes(self._database)
        self.jobs = Jobs(self._database)
        self.job_schedules = JobSchedules(self._database)
        self.tasks = Tasks(self._database)
        self.dependencies = Dependencies(self._database)
        self.job_nodes = JobNodes(self._database)
        self.subtasks = Subtasks(self._database)

    def transaction(self) -> AbstractContextManager[None]:
        return self._database.transaction()

    def newest_rows(self, limit: int) -> dict[str, Table]:
        """Take the newest rows of all tables, to be shown without secrets."""
        return newest_rows(self._database, limit)

    def newest_pools(self, part: str, limit: int) -> Newest[PoolRow]:
        return newest_pools(self._database, part, limit)

    def newest_jobs(self, part: str, limit: int) -> Newest[JobRow]:
        return newest_jobs(self._database, part, limit)

    def newest_tasks(self, search: TaskSearch, limit: int) -> Newest[tuple[TaskRow, str]]:
        return newest_tasks(self._database, search, limit)

    def close(self) -> None:
        self._database.close()
