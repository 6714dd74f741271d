"""A task that is asked for again may come from memory, and is never older than the database."""

from contextlib import suppress

import pytest

from batch_emulator.store.state import Store
from batch_emulator.values.timestamps import Clock

CLOCK = Clock()

CHANGES = {
    "start": lambda store, row: store.tasks.start(row, "pool", "node", CLOCK.stamp()),
    "prepare": lambda store, row: store.tasks.prepare(row.no, "pool", "node", CLOCK.stamp()),
    "complete": lambda store, row: store.tasks.complete(row.no, time=CLOCK.stamp(), exit_code=1, failure="{}"),
    "retry": lambda store, row: store.tasks.retry(row.no, CLOCK.stamp()),
    "replace": lambda store, row: store.tasks.replace(row.no, '{"a":1}', CLOCK.stamp()),
    "keep_files_until": lambda store, row: store.tasks.keep_files_until(row.no, CLOCK.stamp()),
    "delete": lambda store, row: store._database.execute("DELETE FROM tasks WHERE no = ?", row.no),
}


@pytest.fixture
def store():
    store = Store(None)
    store._database.execute("PRAGMA foreign_keys = OFF")
    columns = {row[1]: row for row in store._database.all("PRAGMA table_info(jobs)")}
    needed = {name: 1 if row[2] == "INTEGER" else "x" for name, row in columns.items() if row[3] or name == "no"}
    needed["id"] = "job"
    marks = ", ".join("?" * len(needed))
    store._database.execute(f"INSERT INTO jobs ({', '.join(needed)}) VALUES ({marks})", *needed.values())
    store.tasks.insert(1, "task", "{}", 1, CLOCK.stamp())
    yield store
    store.close()


def stored(store):
    """Return what the database has of the task, past what is remembered."""
    (row,) = store._database.all("SELECT count(*), max(modified), max(state), max(document) FROM tasks")
    return row


def shown(store):
    found = store.tasks.get("job", "task")
    return (1, found[0].modified, found[0].state, found[0].document) if found else (0, None, None, None)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_each_change_the_task_is_shown_as_it_is(store, change):
    row, job_id = store.tasks.get("JOB", "Task")
    assert (job_id, store.tasks.get("JOB", "Task")[0]) == ("job", row)
    change(store, row)
    assert shown(store) == stored(store)
    assert store.tasks.get("job", "task") == store.tasks._find("job", "task")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_transaction_takes_back_is_not_remembered(store, change):
    before = store.tasks.get("job", "task")
    with suppress(ZeroDivisionError), store._database.transaction():
        change(store, before[0])
        assert shown(store) == stored(store)
        raise ZeroDivisionError
    assert store.tasks.get("job", "task") == before


def test_a_task_that_was_missing_is_found_once_it_is_there(store):
    assert store.tasks.get("job", "other") is None
    store.tasks.insert(1, "other", "{}", 1, CLOCK.stamp())
    assert store.tasks.get("job", "other")[0].id == "other"


def test_nothing_is_read_while_nothing_is_written(store):
    statements = []
    store._database._connection.set_trace_callback(statements.append)
    found = [store.tasks.get("job", "task") for _ in range(3)]
    assert (len(statements), found[1:]) == (1, found[:2])
