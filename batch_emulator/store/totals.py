"""What many tasks add up to: the raw material of statistics."""

from typing import Final, NamedTuple

from batch_emulator.store.database import Database


class TaskTotals(NamedTuple):
    """What tasks add up to; times in seconds."""

    succeeded: int
    failed: int
    retries: int
    wall_clock: float
    waited: float


_SUMS: Final = (
    "SELECT count(*) FILTER (WHERE result = 'success'), count(*) FILTER (WHERE result = 'failure'), "
    "coalesce(sum(retries), 0), "
    "coalesce(sum(julianday(coalesce(tasks.ended, ?)) - julianday(started)), 0.0) * 86400, "
    "coalesce(sum(julianday(started) - julianday(tasks.created)), 0.0) * 86400 "
    "FROM tasks"
)


def task_totals(database: Database, now: str, condition: str, *parameters: object) -> TaskTotals:
    """Add up the tasks of an SQL condition (over `tasks`); those that still run count until now."""
    return TaskTotals._make(database.one(f"{_SUMS} {condition}", now, *parameters))
