"""The subtasks of multi-instance tasks."""

from typing import NamedTuple

from batch_emulator.store.database import Database


class SubtaskRow(NamedTuple):
    """A subtask as stored; `info`, JSON, says how it goes. The primary is the task itself."""

    id: int
    pool_id: str
    node_id: str
    info: str


class Subtasks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, job_no: int, task_no: int, row: SubtaskRow) -> None:
        self._database.execute("REPLACE INTO subtasks VALUES (?, ?, ?, ?, ?, ?)", job_no, task_no, *row)

    def of_task(self, job_no: int, task_no: int) -> list[SubtaskRow]:
        sql = "SELECT id, pool_id, node_id, info FROM subtasks WHERE job_no = ? AND task_no = ? ORDER BY id"
        return [SubtaskRow._make(row) for row in self._database.all(sql, job_no, task_no)]

    def forget(self, job_no: int, task_no: int) -> None:
        """Remove the subtasks of a task that is deleted, or runs again."""
        self._database.execute("DELETE FROM subtasks WHERE job_no = ? AND task_no = ?", job_no, task_no)

    def forget_running(self) -> None:
        """Remove the subtasks that ran when an earlier process ended."""
        self._database.execute("DELETE FROM subtasks WHERE info ->> 'state' = 'running'")

    def delete(self, job_no: int) -> None:
        self._database.execute("DELETE FROM subtasks WHERE job_no = ?", job_no)
