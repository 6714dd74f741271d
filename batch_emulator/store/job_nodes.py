"""What a job's preparation and release tasks have done on each node."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import Property, enum_property, integer_property, name_property, time_property
from batch_emulator.store.database import Database
from batch_emulator.values.states import LifecycleTaskState, TaskResult


class JobNodeRow(NamedTuple):
    """A node that a job has been prepared on; `id` is the node's, the last two are JSON."""

    job_no: int
    id: str
    pool_id: str
    preparation: str
    release: str | None


_COLUMNS: Final = ", ".join(JobNodeRow._fields)
_SELECT: Final = f"SELECT {_COLUMNS} FROM job_nodes WHERE job_no = ?"  # noqa: S608


def _of(column: str, name: str) -> dict[str, Property]:
    return {
        f"{name}/state": enum_property(f"{column} ->> 'state'", LifecycleTaskState),
        f"{name}/result": enum_property(f"{column} ->> 'result'", TaskResult),
        f"{name}/exitCode": integer_property(f"{column} ->> 'exitCode'"),
        f"{name}/startTime": time_property(f"{column} ->> 'startTime'"),
        f"{name}/endTime": time_property(f"{column} ->> 'endTime'"),
    }


#: What the filter of "list job preparation and release task status" may name.
JOB_NODE_FILTER: Final[Mapping[str, Property]] = {
    "nodeId": name_property("id"),
    "poolId": name_property("pool_id"),
    **_of("preparation", "jobPreparationTaskExecutionInfo"),
    **_of("release", "jobReleaseTaskExecutionInfo"),
}


class JobNodes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_no: int, node_id: str) -> JobNodeRow | None:
        row = self._database.one(f"{_SELECT} AND id = ?", job_no, node_id)
        return JobNodeRow._make(row) if row else None

    def of_job(self, job_no: int) -> list[JobNodeRow]:
        return [JobNodeRow._make(row) for row in self._database.all(f"{_SELECT} ORDER BY id", job_no)]

    def page(self, job_no: int, query: ListQuery) -> tuple[list[JobNodeRow], bool]:
        rows, more = self._database.page(_SELECT, (job_no,), query)
        return [JobNodeRow._make(row) for row in rows], more

    def note_preparation(self, job_no: int, node_id: str, pool_id: str, info: str) -> None:
        self._database.execute(
            "INSERT INTO job_nodes (job_no, id, pool_id, preparation) VALUES (?, ?, ?, ?4) "
            "ON CONFLICT DO UPDATE SET preparation = ?4",
            job_no,
            node_id,
            pool_id,
            info,
        )

    def note_release(self, job_no: int, node_id: str, info: str | None) -> None:
        self._database.execute("UPDATE job_nodes SET release = ? WHERE job_no = ? AND id = ?", info, job_no, node_id)

    def forget(self, job_no: int, node_id: str) -> None:
        """Remove what is known of a preparation that was cut off."""
        self._database.execute("DELETE FROM job_nodes WHERE job_no = ? AND id = ?", job_no, node_id)

    def delete(self, job_no: int) -> None:
        self._database.execute("DELETE FROM job_nodes WHERE job_no = ?", job_no)
