import time
from contextlib import closing, contextmanager

import pytest
from azure.batch.models import BatchAffinityInfo, BatchTaskDependencies, BatchTaskIdRange
from hypothesis import given
from hypothesis import strategies as st

from batch_emulator.store.dependencies import Span
from batch_emulator.store.state import Store
from tests.batch_emulator.signed import send

JOB = 1
numbers = st.integers(0, 12)
spans = st.tuples(numbers, numbers).map(lambda ends: Span(min(ends), max(ends)))
names = st.one_of(numbers.map(str), numbers.map(lambda number: f"0{number}"), st.sampled_from(["a", "B"]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("end"), names),
        st.tuples(st.just("add"), st.tuples(st.lists(names, max_size=3), st.lists(spans, max_size=2))),
    ),
    max_size=25,
)


class Model:
    """What the documentation says, with no thought of speed: ids end; waiting tasks look at all of them."""

    def __init__(self):
        self.ended = set()
        self.numbers = set()

    def end(self, name):
        self.ended.add(name.lower())
        if name.isdecimal():
            self.numbers.add(int(name))

    def may_run(self, ids, ranges):
        by_id = all(name.lower() in self.ended for name in ids)
        return by_id and all(number in self.numbers for first, last in ranges for number in range(first, last + 1))


@given(steps)
def test_a_task_runs_exactly_when_all_it_waits_for_has_ended(script):
    store, model, waiting = Store(None), Model(), {}
    with closing(store), store.transaction():
        store._database.execute("PRAGMA foreign_keys = OFF")
        for number, (step, what) in enumerate(script):
            if step == "end":
                if what.lower() not in model.ended:
                    no = store.tasks.insert(JOB, what, "{}", 1, "")
                    store.dependencies.satisfy(JOB, what, no)
                    store._database.execute("UPDATE tasks SET state = 'completed' WHERE no = ?", no)
                    model.end(what)
            else:
                no = store.tasks.insert(JOB, f"task-{number}", "{}", 1, "")
                store.dependencies.add(JOB, no, *what)
                waiting[no] = what
            queue = {row.no for row in store.tasks.waiting(JOB, 1, 1000)}
            assert queue == {no for no, causes in waiting.items() if model.may_run(*causes)}


@pytest.fixture
async def dag(batch, pool):
    return await batch.job(pool, uses_task_dependencies=True)


def on(*ids, ranges=()):
    spans = [BatchTaskIdRange(start=start, end=end) for start, end in ranges]
    return BatchTaskDependencies(task_ids=list(ids) or None, task_id_ranges=spans or None)


async def test_a_task_runs_after_those_it_depends_on(batch, dag):
    await batch.task(dag, "/bin/true", "flowers", depends_on=on("RAIN", "sun"))
    await batch.run(dag, "/bin/true", "rain")
    assert (await batch.client.get_task(dag, "flowers")).state == "active"
    sun = await batch.run(dag, "/bin/true", "sun")
    flowers = await batch.state(dag, "completed", "flowers")
    assert flowers.execution_info.start_time >= sun.execution_info.end_time
    assert flowers.depends_on.task_ids == ["RAIN", "sun"]


async def test_a_range_counts_numbers_and_ignores_leading_zeros(batch, dag):
    await batch.task(dag, "/bin/true", "merge", depends_on=on(ranges=[(1, 3)]))
    for task_id in ("01", "3", "2-and-a-half"):
        await batch.run(dag, "/bin/true", task_id)
    assert (await batch.client.get_task(dag, "merge")).state == "active"
    await batch.run(dag, "/bin/true", "002")
    await batch.state(dag, "completed", "merge")


async def test_what_has_ended_already_is_not_waited_for(batch, dag):
    await batch.run(dag, "/bin/true", "1")
    task = await batch.run(dag, "/bin/true", "after", depends_on=on("1", ranges=[(1, 1)]))
    assert task.execution_info.exit_code == 0


async def test_a_failure_blocks_until_the_task_succeeds_after_all(batch, dag):
    nodes = batch.client.list_nodes((await batch.client.get_job(dag)).pool_info.pool_id)
    node = [node.affinity_id async for node in nodes][-1]
    command = "/bin/sh -c 'mkdir $AZ_BATCH_NODE_SHARED_DIR/$AZ_BATCH_JOB_ID && exit 1; exit 0'"
    await batch.run(dag, command, "parent", affinity_info=BatchAffinityInfo(affinity_id=node))
    await batch.task(dag, "/bin/true", "child", depends_on=on("parent"))
    await batch.task(dag, "/bin/true", "cycle", depends_on=on("cycle", "missing"))
    await batch.run(dag, "/bin/true", "other")
    assert (await batch.client.get_task(dag, "child")).state == "active"
    await batch.client.reactivate_task(dag, "parent")
    await batch.state(dag, "completed", "child")
    counts = (await batch.client.get_job_task_counts(dag)).task_counts
    assert (counts.active, counts.succeeded) == (1, 3)


async def test_a_deleted_task_waits_for_nothing_any_more(batch, dag):
    await batch.task(dag, "/bin/true", "child", depends_on=on("parent"))
    await batch.client.delete_task(dag, "child")
    tasks = [await batch.run(dag, "/bin/true", name) for name in ("again", "parent")]
    assert [task.execution_info.exit_code for task in tasks] == [0, 0]


@pytest.mark.parametrize(
    ("uses", "depends_on", "code"),
    [
        (False, {"taskIds": ["a"]}, "TaskDependenciesNotSpecifiedOnJob"),
        (True, {"taskIds": ["a" * 64] * 1001}, "TaskDependencyListTooLong"),
        (True, {"taskIds": ["a b"]}, "InvalidPropertyValue"),
        (True, {"taskIdRanges": [{"start": 2, "end": 1}]}, "InvalidPropertyValue"),
        (True, {"taskIdRanges": [{"start": 2}]}, "MissingRequiredProperty"),
    ],
)
async def test_bad_dependencies_are_refused(batch, url, uses, depends_on, code):
    job_id = await batch.job("no-such-pool", uses_task_dependencies=uses)
    task = {"id": "t", "commandLine": "x", "dependsOn": depends_on}
    answer = await send(url, "POST", f"/jobs/{job_id}/tasks", body=task)
    assert (answer.status, answer.body["code"]) == (400, code)


@contextmanager
def waiting_tasks(count, causes):
    """Many tasks, each waiting for what `causes` returns for its number."""
    store = Store(None)
    store._database.execute("PRAGMA foreign_keys = OFF")
    with store.transaction():
        for number in range(count):
            no = store.tasks.insert(JOB, str(number), "{}", 1, "")
            store.dependencies.add(JOB, no, *causes(number))
    yield store
    store.close()


def end(store, task):
    with store.transaction():
        store._database.execute("UPDATE tasks SET state = 'completed' WHERE no = ?", task.no)
        store.dependencies.satisfy(JOB, task.id, task.no)


def test_a_chain_of_thousands_of_tasks_is_followed_without_scans():
    def causes(number):
        return ([str(number - 1)], [Span(0, number - 1)]) if number else ([], [])

    with waiting_tasks(3_000, causes) as store:
        started = time.monotonic()
        for number in range(3_000):
            (task,) = store.tasks.waiting(JOB, 1, 10)
            assert task.id == str(number)
            end(store, task)
        assert time.monotonic() - started < 5


def test_ten_thousand_tasks_may_wait_for_one():
    with waiting_tasks(10_000, lambda number: (["0"] if number else [], [])) as store:
        (root,) = store.tasks.waiting(JOB, 1, 10)
        started = time.monotonic()
        end(store, root)
        assert time.monotonic() - started < 2
        assert len(store.tasks.waiting(JOB, 1, 20_000)) == 9_999


def test_the_scheduler_does_not_look_at_tasks_that_wait_for_others():
    with waiting_tasks(10_000, lambda number: (["missing"], [])) as store:
        store._database.execute(
            "INSERT INTO jobs (no, id, document, created, modified, state, state_time, pool_id, priority, "
            "max_parallel, ends_with_tasks) VALUES (?, 'job', '{}', '', '', 'active', '', 'pool', 0, -1, 0)",
            JOB,
        )
        started = time.monotonic()
        for _ in range(1_000):
            assert store.jobs.waiting("pool") == []
            assert store.tasks.waiting(JOB, 1, 10) == []
        assert time.monotonic() - started < 1


async def test_in_a_collection_a_task_with_dependencies_that_the_job_does_not_use_is_refused_alone(batch, url):
    job_id = await batch.job("no-such-pool")
    tasks = [
        {"id": "first", "commandLine": "true"},
        {"id": "second", "commandLine": "true", "dependsOn": {"taskIds": ["first"]}},
        {"id": "third", "commandLine": "true", "dependsOn": {"taskIdRanges": [{"start": 1, "end": 2}]}},
    ]
    answer = await send(url, "POST", f"/jobs/{job_id}/addtaskcollection", body={"value": tasks})
    assert [(each["taskId"], each["status"]) for each in answer.body["value"]] == [
        ("first", "Success"),
        ("second", "clienterror"),
        ("third", "clienterror"),
    ]
    error = answer.body["value"][1]["error"]
    assert error["code"] == "UnsupportedProperty"
    assert error["message"]["value"].startswith("One of the properties specified in the request body is not supported.")


@pytest.mark.parametrize("depends_on", [{}, {"taskIds": []}, {"taskIdRanges": []}, {"taskIds": [], "taskIdRanges": []}])
async def test_a_task_that_depends_on_nothing_needs_no_leave_and_runs(batch, url, pool, depends_on):
    job_id = await batch.job(pool)
    one = {"id": "one", "commandLine": "/bin/true", "dependsOn": depends_on}
    assert (await send(url, "POST", f"/jobs/{job_id}/tasks", body=one)).status == 201
    answer = await send(url, "POST", f"/jobs/{job_id}/addtaskcollection", body={"value": [{**one, "id": "two"}]})
    assert [each["status"] for each in answer.body["value"]] == ["Success"]
    await batch.state(job_id, "completed", "one")
    await batch.state(job_id, "completed", "two")
