"""Job schedules in the store."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import Property, enum_property, text_property, time_property
from batch_emulator.store.database import Database
from batch_emulator.store.jobs import JOB_FILTER, JobRow
from batch_emulator.store.totals import TaskTotals, task_totals
from batch_emulator.values.states import JobScheduleState


class JobScheduleRow(NamedTuple):
    """A job schedule as stored.

    `anchor` is the time from which recurrences are counted, `last_run` the one for which the
    newest job was made; `wake` is when to look at it again, None where no time makes a difference.
    `pool_id` is the automatic pool that its jobs share.
    """

    no: int
    id: str
    document: str
    created: str
    modified: str
    state: str
    state_time: str
    previous_state: str | None
    previous_time: str | None
    anchor: str
    last_run: str | None
    jobs_made: int
    recent_job: str | None
    pool_id: str | None
    ended: str | None
    wake: str | None


_COLUMNS: Final = ", ".join(JobScheduleRow._fields)
_JOB_COLUMNS: Final = ", ".join(JobRow._fields)

#: The jobs of a schedule: ids from `<schedule>:` up to the character after the colon.
_OF_SCHEDULE: Final = "jobs.id >= ? || ':' COLLATE NOCASE AND jobs.id < ? || ';' COLLATE NOCASE"

#: What the filter of "list job schedules" may name, by the service's documentation.
JOB_SCHEDULE_FILTER: Final[Mapping[str, Property]] = {
    "id": text_property("id"),
    "state": enum_property("state", JobScheduleState),
    "stateTransitionTime": time_property("state_time"),
    "creationTime": time_property("created"),
    "lastModified": time_property("modified"),
}

#: What the filter of "list jobs from schedule" may name: as for all jobs, without the id.
SCHEDULED_JOB_FILTER: Final[Mapping[str, Property]] = {
    name: known for name, known in JOB_FILTER.items() if name != "id"
}


class JobSchedules:
    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, row: JobScheduleRow) -> JobScheduleRow:
        marks = ", ".join("?" * (len(row) - 1))
        sql = f"INSERT INTO job_schedules ({_COLUMNS}) VALUES (NULL, {marks})"  # noqa: S608
        return row._replace(no=int(self._database.execute(sql, *row[1:]).lastrowid or 0))

    def get(self, schedule_id: str) -> JobScheduleRow | None:
        sql = f"SELECT {_COLUMNS} FROM job_schedules WHERE id = ?"  # noqa: S608
        row = self._database.one(sql, schedule_id)
        return JobScheduleRow._make(row) if row else None

    def page(self, query: ListQuery) -> tuple[list[JobScheduleRow], bool]:
        sql = f"SELECT {_COLUMNS} FROM job_schedules WHERE TRUE"  # noqa: S608
        rows, more = self._database.page(sql, (), query)
        return [JobScheduleRow._make(row) for row in rows], more

    def unfinished(self) -> list[str]:
        """Return the ids of the schedules that are not completed."""
        rows = self._database.all("SELECT id FROM job_schedules WHERE state <> 'completed' ORDER BY no")
        return [schedule_id for (schedule_id,) in rows]

    def page_of_jobs(self, schedule_id: str, query: ListQuery) -> tuple[list[JobRow], bool]:
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {_OF_SCHEDULE}"  # noqa: S608
        rows, more = self._database.page(sql, (schedule_id, schedule_id), query)
        return [JobRow._make(row) for row in rows], more

    def jobs(self, schedule_id: str) -> list[JobRow]:
        """Return every job of the schedule."""
        sql = f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {_OF_SCHEDULE} ORDER BY no"  # noqa: S608
        return [JobRow._make(row) for row in self._database.all(sql, schedule_id, schedule_id)]

    def has_jobs(self, schedule_id: str) -> bool:
        sql = f"SELECT 1 FROM jobs WHERE {_OF_SCHEDULE} LIMIT 1"  # noqa: S608
        return self._database.one(sql, schedule_id, schedule_id) is not None

    def totals(self, schedule_id: str, now: str) -> TaskTotals:
        """Add up the tasks of all jobs of the schedule; those that still run count until now."""
        condition = f"JOIN jobs ON jobs.no = tasks.job_no WHERE {_OF_SCHEDULE}"
        return task_totals(self._database, now, condition, schedule_id, schedule_id)

    def set_state(self, no: int, state: JobScheduleState, time: str) -> None:
        """Change the state as the user wants it: a new version of the schedule."""
        self._enter(no, state, time)
        self._database.execute("UPDATE job_schedules SET modified = ? WHERE no = ?", time, no)

    def complete(self, no: int, time: str) -> None:
        """Note that a schedule is over: no new version of it."""
        self._enter(no, JobScheduleState.COMPLETED, time)
        self._database.execute("UPDATE job_schedules SET ended = ? WHERE no = ?", time, no)

    def _enter(self, no: int, state: JobScheduleState, time: str) -> None:
        """Enter a state; `terminating` is never a previous one (recording `should_terminate_a_job_schedule`)."""
        self._database.execute(
            "UPDATE job_schedules SET previous_state = iif(state = 'terminating', previous_state, state), "
            "previous_time = iif(state = 'terminating', previous_time, state_time), "
            "state = ?1, state_time = ?2, wake = NULL WHERE no = ?3",
            state,
            time,
            no,
        )

    def update(self, no: int, *, document: str, anchor: str, time: str) -> None:
        self._database.execute(
            "UPDATE job_schedules SET document = ?, anchor = ?, modified = ? WHERE no = ?",
            document,
            anchor,
            time,
            no,
        )

    def note_job(self, no: int, *, job_id: str, run: str) -> None:
        """Record that a job was made for the recurrence that was due at `run`."""
        self._database.execute(
            "UPDATE job_schedules SET recent_job = ?, last_run = ?, jobs_made = jobs_made + 1 WHERE no = ?",
            job_id,
            run,
            no,
        )

    def set_pool(self, no: int, pool_id: str | None) -> None:
        self._database.execute("UPDATE job_schedules SET pool_id = ? WHERE no = ?", pool_id, no)

    def set_wake(self, no: int, time: str | None) -> None:
        self._database.execute("UPDATE job_schedules SET wake = ? WHERE no = ?", time, no)

    def next_wake(self) -> str | None:
        """Return when the next schedule wants to be looked at."""
        (time,) = self._database.one("SELECT min(wake) FROM job_schedules WHERE wake IS NOT NULL")
        return None if time is None else str(time)

    def awake(self, now: str) -> list[str]:
        """Return the ids of the schedules that want to be looked at."""
        return [
            schedule_id for (schedule_id,) in self._database.all("SELECT id FROM job_schedules WHERE wake <= ?", now)
        ]

    def delete(self, no: int) -> None:
        """Remove a schedule; its jobs must be gone."""
        self._database.execute("DELETE FROM job_schedules WHERE no = ?", no)
