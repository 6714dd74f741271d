"""What was added last, for people who look on: bounded lists, with parts of ids to look for.

The ids, states and results of tasks are read from one index, of which a pass over 10,000 takes milliseconds; whole rows
are read for what is shown only.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from batch_emulator.store.database import Database
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.store.tasks import TaskRow

#: The conditions by which tasks are looked for, by their names.
TASK_STATES: Final = {
    "active": "state = 'active'",
    "running": "state IN ('preparing', 'running')",
    "succeeded": "state = 'completed' AND result = 'success'",
    "failed": "state = 'completed' AND result = 'failure'",
}
_PART: Final = "instr(lower(id), lower(?)) > 0"


@dataclass(frozen=True, kw_only=True)
class Newest[Row]:
    """How many rows there are, how many of them fit, and the newest of those."""

    total: int
    fitting: int
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class TaskSearch:
    """`part` of an id, in a job or in any, in one of `TASK_STATES` or in any."""

    part: str = ""
    job_id: str | None = None
    state: str | None = None


def newest_pools(database: Database, part: str, limit: int) -> Newest[PoolRow]:
    return _newest(database, PoolRow, "pools", part, limit)


def newest_jobs(database: Database, part: str, limit: int) -> Newest[JobRow]:
    return _newest(database, JobRow, "jobs", part, limit)


def _newest[Row: NamedTuple](database: Database, kind: type[Row], table: str, part: str, limit: int) -> Newest[Row]:
    (total,) = database.one(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of two names
    (fitting,) = database.one(f"SELECT count(*) FROM {table} WHERE {_PART}", part)  # noqa: S608
    sql = f"SELECT {', '.join(kind._fields)} FROM {table} WHERE {_PART} ORDER BY no DESC LIMIT ?"  # noqa: S608
    rows = [kind._make(row) for row in database.all(sql, part, limit)]
    return Newest(total=total, fitting=fitting, rows=rows)


def newest_tasks(database: Database, search: TaskSearch, limit: int) -> Newest[tuple[TaskRow, str]]:
    """Find the tasks added last, each with its job's id."""
    (total,) = database.one("SELECT count(*) FROM tasks")
    condition, parameters = _condition(search)
    source = f"FROM tasks INDEXED BY tasks_in_state WHERE {condition}" if condition else "FROM tasks"
    (fitting,) = database.one(f"SELECT count(*) {source}", *parameters) if condition else (total,)
    columns = ", ".join(f"tasks.{name}" for name in TaskRow._fields)
    sql = (
        f"SELECT {columns}, jobs.id FROM tasks JOIN jobs ON jobs.no = job_no WHERE tasks.no IN "  # noqa: S608
        f"(SELECT no {source} ORDER BY no DESC LIMIT ?) ORDER BY tasks.no DESC"
    )
    rows = database.all(sql, *parameters, limit)
    return Newest(total=total, fitting=fitting, rows=[(TaskRow._make(row), job_id) for *row, job_id in rows])


def _condition(search: TaskSearch) -> tuple[str, tuple[str, ...]]:
    """Return the SQL that a search asks for and its parameters; nothing where it fits every task."""
    terms: list[tuple[str, tuple[str, ...]]] = []
    if search.job_id is not None:
        terms.append(("job_no = (SELECT no FROM jobs WHERE id = ?)", (search.job_id,)))
    if search.state is not None:
        terms.append((TASK_STATES[search.state], ()))
    if search.part:
        terms.append((_PART, (search.part,)))
    return " AND ".join(sql for sql, _ in terms), tuple(value for _, values in terms for value in values)
