"""Jobs in the store."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import Property, enum_property, text_property, time_property
from batch_emulator.store.database import Database
from batch_emulator.values.states import JobState


class JobRow(NamedTuple):
    """A job as stored."""

    no: int
    id: str
    document: str
    created: str
    modified: str
    state: str
    state_time: str
    previous_state: str | None
    previous_time: str | None
    pool_id: str
    priority: int
    max_parallel: int
    ends_with_tasks: int
    expires: str | None
    ended: str | None
    terminate_reason: str | None


_COLUMNS: Final = ", ".join(JobRow._fields)

#: What the filter of "list jobs" may name, by the service's documentation.
JOB_FILTER: Final[Mapping[str, Property]] = {
    "id": text_property("id"),
    "state": enum_property("state", JobState),
    "stateTransitionTime": time_property("state_time"),
    "creationTime": time_property("created"),
    "lastModified": time_property("modified"),
    "executionInfo/startTime": time_property("created"),
    "executionInfo/endTime": time_property("ended"),
    "executionInfo/poolId": text_property("pool_id"),
}


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, row: JobRow) -> JobRow:
        marks = ", ".join("?" * (len(row) - 1))
        sql = f"INSERT INTO jobs ({_COLUMNS}) VALUES (NULL, {marks})"  # noqa: S608
        return row._replace(no=int(self._database.execute(sql, *row[1:]).lastrowid or 0))

    def get(self, job_id: str) -> JobRow | None:
        row = self._database.one(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", job_id)  # noqa: S608
        return JobRow._make(row) if row else None

    def page(self, query: ListQuery) -> tuple[list[JobRow], bool]:
        rows, more = self._database.page(f"SELECT {_COLUMNS} FROM jobs WHERE TRUE", (), query)  # noqa: S608
        return [JobRow._make(row) for row in rows], more

    def in_state(self, *states: JobState) -> list[JobRow]:
        marks = ", ".join("?" * len(states))
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE state IN ({marks}) ORDER BY no"  # noqa: S608
        return [JobRow._make(row) for row in self._database.all(sql, *states)]

    def waiting(self, pool_id: str) -> list[JobRow]:
        """Return the jobs of a pool that have waiting tasks, the most urgent first."""
        sql = (
            f"SELECT {_COLUMNS} FROM jobs WHERE pool_id = ? AND state = 'active' "  # noqa: S608
            "AND EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_waiting "
            "WHERE job_no = jobs.no AND tasks.state = 'active' AND waits_for = 0) "
            "ORDER BY priority DESC, no"
        )
        return [JobRow._make(row) for row in self._database.all(sql, pool_id)]

    def set_state(self, no: int, state: JobState, time: str) -> None:
        """Enter a state; the previous one is the last that was none of passage, as recorded from the service."""
        self._database.execute(
            "UPDATE jobs SET ended = CASE WHEN ?1 = 'completed' THEN ?2 ELSE ended END, "
            "previous_state = iif(state IN ('disabling', 'enabling', 'terminating'), previous_state, state), "
            "previous_time = iif(state IN ('disabling', 'enabling', 'terminating'), previous_time, state_time), "
            "state = ?1, state_time = ?2 WHERE no = ?3",
            state,
            time,
            no,
        )

    def touch(self, no: int, time: str) -> None:
        """Note a change by the user: it makes a new version."""
        self._database.execute("UPDATE jobs SET modified = ? WHERE no = ?", time, no)

    def update(self, row: JobRow) -> None:
        """Store the properties that a user may change."""
        self._database.execute(
            "UPDATE jobs SET document = ?, modified = ?, pool_id = ?, priority = ?, max_parallel = ?, "
            "ends_with_tasks = ?, expires = ? WHERE no = ?",
            row.document,
            row.modified,
            row.pool_id,
            row.priority,
            row.max_parallel,
            row.ends_with_tasks,
            row.expires,
            row.no,
        )

    def set_terminate_reason(self, no: int, reason: str) -> None:
        """Note why a job ends; it can expire no more."""
        self._database.execute("UPDATE jobs SET terminate_reason = ?, expires = NULL WHERE no = ?", reason, no)

    def count_open(self) -> int:
        """Return how many jobs count for the quota of active ones."""
        (number,) = self._database.one("SELECT count(*) FROM jobs WHERE state <> 'completed'")
        return int(number)

    def next_expiry(self) -> str | None:
        """Return when the next job reaches its maximum wall clock time."""
        (time,) = self._database.one("SELECT min(expires) FROM jobs WHERE expires IS NOT NULL AND state = 'active'")
        return None if time is None else str(time)

    def expired(self, now: str) -> list[str]:
        """Return the ids of active jobs that have reached their maximum wall clock time."""
        rows = self._database.all("SELECT id FROM jobs WHERE expires <= ? AND state = 'active'", now)
        return [job_id for (job_id,) in rows]

    def delete(self, no: int) -> None:
        """Remove a job; its tasks must be gone."""
        self._database.execute("DELETE FROM jobs WHERE no = ?", no)
