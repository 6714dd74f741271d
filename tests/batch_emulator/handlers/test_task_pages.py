"""Pages of filtered task lists: complete, without repetition, and read by an index."""

import base64
import itertools
import random

import pytest

from batch_emulator.odata.query import read_list_query
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TASK_FILTER
from batch_emulator.values.timestamps import Clock
from tests.batch_emulator.signed import send, values


@pytest.fixture(scope="module")
def tasks():
    """A job's tasks in every state, and moments between their transitions."""
    store, clock, chance = Store(None), Clock(), random.Random(7)
    database = store._database
    database.execute("PRAGMA foreign_keys = OFF")
    for number in range(60):
        store.tasks.insert(1, f"{chance.choice('aBc')}-{number}", "{}", 1, clock.stamp())
    rows = store.tasks.page(1, read_list_query({}, TASK_FILTER))[0]
    moments = []
    for row in chance.sample(rows, 45):
        moments.append(clock.stamp())
        store.tasks.start(row, "pool", "node", clock.stamp())
        if (code := chance.randrange(-1, 4)) < 3:
            failure = "{}" if code else None
            store.tasks.complete(row.no, time=clock.stamp(), exit_code=code, failure=failure)
    yield store.tasks, moments
    store.close()


def walk(store, source, size):
    """Return what all pages of a list hold, in order."""
    query, found = {"$filter": source, "maxresults": str(size)}, []
    while True:
        page = read_list_query(query, TASK_FILTER)
        rows, more = store.page(1, page)
        found += rows
        if not more:
            return found
        query["$skiptoken"] = token(page.key(rows[-1]))


def token(key):
    return base64.urlsafe_b64encode(key.encode()).decode()


CONDITIONS = {
    "state eq 'completed'": lambda row, _: row.state == "completed",
    "state ne 'completed'": lambda row, _: row.state != "completed",
    "state eq 'active' or state eq 'running'": lambda row, _: row.state in {"active", "running"},
    "stateTransitionTime ge {t}": lambda row, t: row.state_time >= t,
    "stateTransitionTime lt {t}": lambda row, t: row.state_time < t,
    "creationTime gt {t}": lambda row, t: row.created > t,
    "executionInfo/startTime gt {t}": lambda row, t: row.started is not None and row.started > t,
    "executionInfo/endTime gt {t}": lambda row, t: row.ended is not None and row.ended > t,
    "executionInfo/exitCode ne 0": lambda row, _: row.exit_code not in {None, 0},
    "executionInfo/exitCode gt 1": lambda row, _: (row.exit_code or 0) > 1,
    "executionInfo/exitCode ge 0": lambda row, _: row.exit_code is not None and row.exit_code >= 0,
    "executionInfo/exitCode eq -1": lambda row, _: row.exit_code == -1,
    "executionInfo/exitCode le 0": lambda row, _: row.exit_code is not None and row.exit_code <= 0,
    "executionInfo/result eq 'Failure'": lambda row, _: row.result == "failure",
    "startswith(id, 'b-1')": lambda row, _: row.id.lower().startswith("b-1"),
}


@pytest.mark.parametrize("left", CONDITIONS)
def test_every_page_is_where_it_belongs(tasks, left):
    store, moments = tasks
    everything = walk(store, "", 1000)
    moment = moments[len(moments) // 2]
    for right, (word, both) in itertools.product(CONDITIONS, [("and", all), ("or", any)]):
        source = f"({left}) {word} ({right})".replace("{t}", f"DateTime'{moment}'")
        expected = {row.id for row in everything if both([CONDITIONS[name](row, moment) for name in (left, right)])}
        found = [row.id for row in walk(store, source, 7)]
        assert (len(found), set(found)) == (len(expected), expected), source


@pytest.mark.parametrize(
    ("source", "index"),
    [
        ("state eq 'completed' and stateTransitionTime ge {t}", "tasks_by_time"),
        ("stateTransitionTime gt {t}", "tasks_by_time"),
        ("executionInfo/endTime ge {t} and state eq 'completed'", "tasks_by_time"),
        ("state eq 'completed'", "tasks_in_state"),
        ("executionInfo/result eq 'failure'", "tasks_failed"),
        ("executionInfo/exitCode ne 0", "tasks_failed"),
    ],
)
@pytest.mark.parametrize("after", [None, "2026-01-01T00:00:00.000000Z a"])
def test_a_list_is_read_in_the_order_of_an_index(tasks, source, index, after):
    store, moments = tasks
    query = {"$filter": source.replace("{t}", f"DateTime'{moments[0]}'")}
    if after:
        query["$skiptoken"] = token(after)
    plans = []
    database = store._database
    run = database.all
    database.all = lambda sql, *parameters: plans.extend(run(f"EXPLAIN QUERY PLAN {sql}", *parameters)) or []
    try:
        store.page(1, read_list_query(query, TASK_FILTER))
    finally:
        del database.all
    (plan,) = [step for *_, step in plans]
    assert f"USING INDEX {index} (job_no=" in plan


async def test_new_completions_come_in_the_order_of_their_completion(batch, job):
    for name in ("b", "c", "a"):
        await batch.run(job, "/bin/true", name)
    first = await batch.client.get_task(job, "b")
    since = first.state_transition_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    source = f"state eq 'completed' and stateTransitionTime ge DateTime'{since}'"
    assert [task.id async for task in batch.client.list_tasks(job, filter=source, max_results=1)] == ["b", "c", "a"]


@pytest.mark.parametrize("path", ["/pools", "/jobs", "/jobs/{job}", "/jobs/{job}/tasks"])
async def test_statistics_are_all_that_can_be_expanded(url, idle_job, path):
    path = path.format(job=idle_job)
    assert (await send(url, "GET", path, {"$expand": "stats"})).status == 200
    refused = await send(url, "GET", path, {"$expand": "stats,tasks"})
    assert (refused.status, refused.body["code"]) == (400, "InvalidQueryParameterValue")
    assert values(refused)["QueryParameterName"] == "$expand"


@pytest.fixture(scope="module")
def many_tasks():
    """A job of 100,000 tasks that completed one second after the other, every hundredth with a failure."""
    store = Store(None)
    store._database.execute("PRAGMA foreign_keys = OFF")
    store._database.execute(
        """
        WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999),
        times AS (SELECT n, strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1767225600 + n, 'unixepoch') AS t FROM numbers)
        INSERT INTO tasks (job_no, id, document, created, modified, state, state_time, required_slots, started, ended,
            exit_code, result) SELECT 1, 'task-' || n, '{}', '2026-01-01T00:00:00.000000Z', t, 'completed', t, 1, t, t,
            n % 100 = 0, iif(n % 100 = 0, 'failure', 'success') FROM times
        """
    )
    yield store
    store.close()


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("state eq 'completed' and stateTransitionTime ge DateTime'2026-01-02T03:46:30Z'", 10),
        ("executionInfo/endTime ge DateTime'2026-01-02T03:46:30Z'", 10),
        ("state eq 'running'", 0),
        ("executionInfo/result eq 'failure' and executionInfo/endTime lt DateTime'2026-01-01T00:10:00Z'", 6),
        ("startswith(id, 'task-9999')", 11),
    ],
)
def test_few_among_100_000_tasks_are_found_without_looking_at_the_others(many_tasks, source, count):
    steps = itertools.count()
    connection = many_tasks._database._connection
    connection.set_progress_handler(lambda: next(steps) and None, 100)
    try:
        found = walk(many_tasks.tasks, source, 1000)
    finally:
        connection.set_progress_handler(None, 0)
    assert len(found) == count
    # In hundreds of steps of SQLite's machine; looking at every task takes it at least one a task.
    assert next(steps) < 300
