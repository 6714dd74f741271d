"""Which tasks wait for which others.

A waiting task has a row for each *cause* it waits for: the id of a task, or a range of numbers as
`first..last` (ids have no dots). A cause that is satisfied gives up its rows, and each of their tasks
waits for one cause less; a task that waits for none is in the scheduler's queue. Nothing ever looks at
all tasks of a job.

Ranges are watched at one number each: the highest in them that is not satisfied yet. The numbers that are
satisfied are kept as spans without gaps. So the end of task 7 looks at the ranges that are watched at 7,
and moves each on to the next gap below, or finds that there is none.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from batch_emulator.store.database import Database

#: The highest number that ranges know (the REST API has 32-bit integers).
MAX_NUMBER: Final = 2**31 - 1


class Span(NamedTuple):
    """Numbers without a gap, both ends included."""

    first: int
    last: int

    @property
    def cause(self) -> str:
        return f"{self.first}..{self.last}"


class Dependencies:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job_no: int, task_no: int, ids: Iterable[str], ranges: Iterable[Span]) -> None:
        """Let a new task wait for what is not satisfied yet."""
        causes = {task_id.lower() for task_id in ids if not self._is_satisfied(job_no, task_id)}
        causes |= {span.cause for span in ranges if self._watch(job_no, span)}
        for cause in causes:
            self._database.execute("INSERT INTO dependencies VALUES (?, ?, ?)", job_no, cause, task_no)
        self._database.execute("UPDATE tasks SET waits_for = ? WHERE no = ?", len(causes), task_no)

    def satisfy(self, job_no: int, task_id: str, task_no: int) -> None:
        """Note that a task has ended in a way that lets others run."""
        self._database.execute("UPDATE tasks SET satisfies = 1 WHERE no = ?", task_no)
        self._release(job_no, task_id)
        if task_id.isdecimal() and (number := int(task_id)) <= MAX_NUMBER:
            self._satisfy_number(job_no, number)

    def forget(self, task_no: int) -> None:
        """Let a task that is being deleted wait for nothing."""
        self._database.execute("DELETE FROM dependencies WHERE task_no = ?", task_no)

    def forget_some(self, job_no: int, limit: int) -> bool:
        """Remove up to `limit` rows of a job; return whether there were any."""
        cursor = self._database.execute(
            "DELETE FROM dependencies WHERE job_no = ?1 AND (job_no, cause, task_no) IN "
            "(SELECT job_no, cause, task_no FROM dependencies WHERE job_no = ?1 LIMIT ?2)",
            job_no,
            limit,
        )
        self._database.execute("DELETE FROM dependency_ranges WHERE job_no = ?", job_no)
        self._database.execute("DELETE FROM satisfied_spans WHERE job_no = ?", job_no)
        return cursor.rowcount > 0

    def _is_satisfied(self, job_no: int, task_id: str) -> bool:
        row = self._database.one("SELECT satisfies FROM tasks WHERE job_no = ? AND id = ?", job_no, task_id)
        return row is not None and bool(row[0])

    def _watch(self, job_no: int, span: Span) -> bool:
        """Watch a range at the highest number that is not satisfied; return False if there is none."""
        below = self._span_of(job_no, span.last)
        missing = below.first - 1 if below else span.last
        if missing < span.first:
            return False
        self._database.execute(
            "INSERT INTO dependency_ranges VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", job_no, *span, missing
        )
        return True

    def _satisfy_number(self, job_no: int, number: int) -> None:
        """Move on every range that is watched at the number."""
        if self._span_of(job_no, number):
            return
        first = self._join(job_no, number).first
        satisfied = self._database.all(
            "DELETE FROM dependency_ranges WHERE job_no = ? AND watched = ? AND first >= ? RETURNING first, last",
            job_no,
            number,
            first,
        )
        self._database.execute(
            "UPDATE dependency_ranges SET watched = ? WHERE job_no = ? AND watched = ?", first - 1, job_no, number
        )
        for row in satisfied:
            self._release(job_no, Span._make(row).cause)

    def _span_of(self, job_no: int, number: int) -> Span | None:
        """Return the satisfied numbers around one, None if it is not satisfied."""
        row = self._database.one(
            "SELECT first, last FROM satisfied_spans WHERE job_no = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            job_no,
            number,
        )
        return Span._make(row) if row and row[1] >= number else None

    def _join(self, job_no: int, number: int) -> Span:
        """Add a number to the satisfied ones, closing the gap between its neighbours."""
        below, above = self._span_of(job_no, number - 1), self._span_of(job_no, number + 1)
        joined = Span(below.first if below else number, above.last if above else number)
        for span in filter(None, (below, above)):
            self._database.execute("DELETE FROM satisfied_spans WHERE job_no = ? AND first = ?", job_no, span.first)
        self._database.execute("INSERT INTO satisfied_spans VALUES (?, ?, ?)", job_no, *joined)
        return joined

    def _release(self, job_no: int, cause: str) -> None:
        self._database.execute(
            "UPDATE tasks SET waits_for = waits_for - 1 WHERE no IN "
            "(SELECT task_no FROM dependencies WHERE job_no = ? AND cause = ?)",
            job_no,
            cause,
        )
        self._database.execute("DELETE FROM dependencies WHERE job_no = ? AND cause = ?", job_no, cause)
