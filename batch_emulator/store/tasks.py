"""Tasks in the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from batch_emulator.odata.query import ListQuery
from batch_emulator.odata.sql import (
    Property,
    enum_property,
    integer_property,
    text_property,
    time_property,
)
from batch_emulator.store.database import Database
from batch_emulator.store.totals import TaskTotals, task_totals
from batch_emulator.values.states import TaskResult, TaskState


class TaskRow(NamedTuple):
    """A task as stored."""

    no: int
    job_no: int
    id: str
    document: str
    created: str
    modified: str
    state: str
    state_time: str
    previous_state: str | None
    previous_time: str | None
    required_slots: int
    started: str | None
    ended: str | None
    exit_code: int | None
    result: str | None
    failure: str | None
    retries: int
    last_retry: str | None
    requeues: int
    last_requeue: str | None
    pool_id: str | None
    node_id: str | None
    files_until: str | None


@dataclass(frozen=True, kw_only=True)
class TaskCounts:
    """How many tasks of a job are where, and how many slots they require."""

    tasks: dict[str, int]
    slots: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class PoolTasks:
    """How many tasks of a pool's active jobs could run, run, and have ended how."""

    ready: int
    running: int
    succeeded: int
    failed: int


#: How many tasks are remembered that were asked for, and how long their documents may be: 4 MiB together.
_REMEMBERED: Final = 256
_REMEMBERED_LENGTH: Final = 16_384

_COLUMNS: Final = ", ".join(TaskRow._fields)
_QUALIFIED: Final = ", ".join(f"tasks.{name}" for name in TaskRow._fields)
_WITH_JOB: Final = f"SELECT {_QUALIFIED}, jobs.id FROM tasks JOIN jobs ON jobs.no = tasks.job_no"  # noqa: S608
_GET: Final = f"{_WITH_JOB} WHERE jobs.id = ? AND tasks.id = ?"
_SELECT: Final = f"SELECT {_COLUMNS} FROM tasks"  # noqa: S608


def _into(state: TaskState, *columns: str, condition: str = "") -> str:
    """Return the SQL by which the task of number ?2 enters a state at time ?1, with other columns set."""
    moved = (f"state = '{state}'", "state_time = ?1", "previous_state = state", "previous_time = state_time")
    return f"UPDATE tasks SET {', '.join((*moved, *columns))} WHERE no = ?2 {condition}"  # noqa: S608


_START: Final = _into(
    TaskState.RUNNING,
    *("started = ?1", "ended = NULL", "pool_id = ?3", "node_id = ?4"),
    *("last_retry = coalesce(?5, last_retry)", "files_until = NULL"),
)
_PREPARE: Final = _into(TaskState.PREPARING, "pool_id = ?3", "node_id = ?4", "started = NULL")
_PUT_BACK: Final = _into(TaskState.ACTIVE)
_COMPLETE: Final = _into(
    TaskState.COMPLETED,
    *(
        "ended = ?1",
        "exit_code = ?3",
        "failure = ?4",
        "result = CASE WHEN ?4 IS NULL THEN 'success' ELSE 'failure' END",
    ),
    "modified = CASE WHEN ?5 THEN ?1 ELSE modified END",
)
_RETRY: Final = _into(TaskState.ACTIVE, "retries = retries + 1")
_REQUEUE: Final = _into(
    TaskState.ACTIVE,
    *("requeues = requeues + 1", "last_requeue = ?1", "started = NULL"),
    condition="AND state IN ('preparing', 'running')",
)
_REACTIVATE: Final = _into(
    TaskState.ACTIVE,
    *("started = NULL", "ended = NULL", "exit_code = NULL", "result = NULL", "failure = NULL", "files_until = NULL"),
    *("retries = 0", "last_retry = NULL", "satisfies = 0", "modified = ?1"),
)

#: What the filter of "list tasks" may name, by the service's documentation (which writes
#: `lastModifiedTime` where the resource says `lastModified`: both are taken).
TASK_FILTER: Final[Mapping[str, Property]] = {
    "id": text_property("id"),
    "state": enum_property("state", TaskState),
    # The unary plus keeps the planner from starting each page at the filter's time instead of its own.
    "stateTransitionTime": time_property("+state_time", settled_by="state_time"),
    "creationTime": time_property("created", settled_by="state_time"),
    "lastModified": time_property("modified"),
    "lastModifiedTime": time_property("modified"),
    "executionInfo/startTime": time_property("started", settled_by="state_time"),
    "executionInfo/endTime": time_property("ended", settled_by="state_time"),
    "executionInfo/exitCode": integer_property("exit_code", unless_zero="result = 'failure'"),
    "executionInfo/result": enum_property("result", TaskResult),
}


class Tasks:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = database.changes
        self._remembered: dict[tuple[str, str], tuple[TaskRow, str]] = {}

    def insert(
        self, job_no: int, task_id: str, document: str, slots: int, created: str, instances: int = 0
    ) -> int | None:
        """Add an active task and return its number, None where the job has a task of that id."""
        cursor = self._database.execute(
            "INSERT INTO tasks "
            "(job_no, id, document, required_slots, created, modified, state, state_time, instances) "
            "VALUES (?, ?, ?, ?, ?5, ?5, 'active', ?5, ?6) ON CONFLICT DO NOTHING",
            job_no,
            task_id,
            document,
            slots,
            created,
            instances,
        )
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def get(self, job_id: str, task_id: str) -> tuple[TaskRow, str] | None:
        """Return a task and its job's id as the job spells it.

        Clients that wait ask for the same tasks again and again. What was found holds until anything at all is
        written; within a transaction nothing is remembered, since that may be rolled back.
        """
        if self._database.is_in_transaction:
            return self._find(job_id, task_id)
        if self._changes != (changes := self._database.changes):
            self._changes = changes
            self._remembered.clear()
        if (found := self._remembered.get((job_id, task_id))) is None:
            found = self._find(job_id, task_id)
            if found and len(found[0].document) <= _REMEMBERED_LENGTH and len(self._remembered) < _REMEMBERED:
                self._remembered[job_id, task_id] = found
        return found

    def _find(self, job_id: str, task_id: str) -> tuple[TaskRow, str] | None:
        row = self._database.one(_GET, job_id, task_id)
        return (TaskRow._make(row[:-1]), row[-1]) if row else None

    def by_number(self, no: int) -> TaskRow | None:
        row = self._database.one(f"{_SELECT} WHERE no = ?", no)
        return TaskRow._make(row) if row else None

    def page(self, job_no: int, query: ListQuery) -> tuple[list[TaskRow], bool]:
        rows, more = self._database.page(f"{_SELECT} WHERE job_no = ?", (job_no,), query)
        return [TaskRow._make(row) for row in rows], more

    def waiting(self, job_no: int, most_slots: int, limit: int, most_instances: int = 0) -> list[TaskRow]:
        """Return the first active tasks of a job, in order of adding, that fit a whole node or the whole pool."""
        sql = f"{_SELECT} WHERE job_no = ? AND state = 'active' AND waits_for = 0 "
        sql += "AND required_slots <= ? AND instances <= ? ORDER BY no LIMIT ?"
        return [TaskRow._make(row) for row in self._database.all(sql, job_no, most_slots, most_instances, limit)]

    def running(self) -> list[int]:
        rows = self._database.all(
            "SELECT no FROM tasks INDEXED BY tasks_running WHERE state IN ('preparing', 'running')"
        )
        return [no for (no,) in rows]

    def start(self, task: TaskRow, pool_id: str, node_id: str, time: str) -> None:
        """Put an active task on a node. The run after a retry is noted as such."""
        is_retry = task.retries > 0 and task.last_requeue != task.state_time
        self._database.execute(_START, time, task.no, pool_id, node_id, time if is_retry else None)

    def prepare(self, no: int, pool_id: str, node_id: str, time: str) -> None:
        """Put an active task on a node that is not prepared for its job yet."""
        self._database.execute(_PREPARE, time, no, pool_id, node_id)

    def put_back(self, no: int, time: str) -> None:
        """Put a preparing task back into the queue: its node cannot be prepared."""
        self._database.execute(_PUT_BACK, time, no)

    def complete(
        self, no: int, *, time: str, exit_code: int | None, failure: str | None, by_user: bool = False
    ) -> None:
        """Record the end of a task; a failure makes its result. One that a user asked for makes a new version."""
        self._database.execute(_COMPLETE, time, no, exit_code, failure, by_user)

    def retry(self, no: int, time: str) -> None:
        """Put a task that ended in failure back into the queue."""
        self._database.execute(_RETRY, time, no)

    def requeue(self, no: int, time: str) -> None:
        """Put a task that lost its node back into the queue."""
        self._database.execute(_REQUEUE, time, no)

    def reactivate(self, no: int, time: str) -> None:
        """Let a failed task run again: it has all its retries again, and how it ended is forgotten."""
        self._database.execute(_REACTIVATE, time, no)

    def replace(self, no: int, document: str, time: str) -> None:
        """Store changed properties."""
        self._database.execute("UPDATE tasks SET document = ?, modified = ? WHERE no = ?", document, time, no)

    def keep_files_until(self, no: int, time: str | None) -> None:
        self._database.execute("UPDATE tasks SET files_until = ? WHERE no = ?", time, no)

    def files_kept_until(self, node_id: str) -> str | None:
        """Return when the last files of completed tasks on a node may be removed, None if there are none."""
        sql = "SELECT max(files_until) FROM tasks WHERE files_until IS NOT NULL AND node_id = ?"
        (time,) = self._database.one(sql, node_id)
        return None if time is None else str(time)

    def next_expiry(self) -> str | None:
        """Return when the next task's files may be removed."""
        sql = "SELECT min(files_until) FROM tasks WHERE files_until IS NOT NULL"
        (time,) = self._database.one(sql)
        return None if time is None else str(time)

    def expired(self, now: str, limit: int) -> list[tuple[TaskRow, str]]:
        """Return tasks whose files may be removed, and their jobs' ids."""
        found = self._database.all(f"{_WITH_JOB} WHERE files_until <= ? LIMIT ?", now, limit)
        return [(TaskRow._make(row), job_id) for *row, job_id in found]

    def of_pool(self, pool_id: str) -> PoolTasks:
        """Count the tasks of a pool's active jobs, each kind by an index of its own."""
        completed = self._count(pool_id, "tasks.state = 'completed'", "tasks_in_state")
        failed = self._count(pool_id, "result = 'failure'", "tasks_failed")
        return PoolTasks(
            ready=self._count(pool_id, "tasks.state = 'active' AND waits_for = 0", "tasks_waiting"),
            running=self._count(pool_id, "tasks.state IN ('preparing', 'running')", "tasks_in_state"),
            succeeded=completed - failed,
            failed=failed,
        )

    def _count(self, pool_id: str, condition: str, index: str) -> int:
        (number,) = self._database.one(
            f"SELECT count(*) FROM jobs JOIN tasks INDEXED BY {index} ON job_no = jobs.no "  # noqa: S608
            f"WHERE jobs.pool_id = ? AND jobs.state = 'active' AND {condition}",
            pool_id,
        )
        return int(number)

    def has_incomplete(self, job_no: int) -> bool:
        row = self._database.one(
            "SELECT 1 FROM tasks WHERE job_no = ? AND state IN ('active', 'preparing', 'running') LIMIT 1",
            job_no,
        )
        return row is not None

    def counts(self, job_no: int) -> TaskCounts:
        """Count a job's tasks and their slots by state; a pass over one index."""
        rows = self._database.all(
            "SELECT state, count(*), sum(required_slots), "
            "count(*) FILTER (WHERE result = 'success'), "
            "coalesce(sum(required_slots) FILTER (WHERE result = 'success'), 0) "
            "FROM tasks WHERE job_no = ? GROUP BY state",
            job_no,
        )
        return TaskCounts(
            tasks=_by_state((state, number, good) for state, number, _, good, _ in rows),
            slots=_by_state((state, slots, good) for state, _, slots, _, good in rows),
        )

    def totals(self, job_no: int, now: str) -> TaskTotals:
        """Add up the tasks of a job; those that still run count until now."""
        return task_totals(self._database, now, "WHERE job_no = ?", job_no)

    def delete(self, no: int) -> None:
        self._database.execute("DELETE FROM tasks WHERE no = ?", no)

    def delete_some(self, job_no: int, limit: int) -> bool:
        """Remove up to `limit` tasks of a job; return whether there were any."""
        cursor = self._database.execute(
            "DELETE FROM tasks WHERE no IN (SELECT no FROM tasks WHERE job_no = ? LIMIT ?)",
            job_no,
            limit,
        )
        return cursor.rowcount > 0


def _by_state(rows: Iterable[tuple[str, int, int]]) -> dict[str, int]:
    """Add up; a preparing task counts as running (documentation of "get task counts")."""
    counts = dict.fromkeys(("active", "running", "completed", "succeeded", "failed"), 0)
    for state, number, succeeded in rows:
        counts["running" if state == TaskState.PREPARING else state] += number
        if state == TaskState.COMPLETED:
            counts["succeeded"] += succeeded
            counts["failed"] += number - succeeded
    return counts
