"""Lists of tasks: what is found, in which order, and at what cost."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core.app import utc_now
from batch_core.errors import InvalidRequest
from batch_core.http.task_lists import ListRequest, task_page_reply
from batch_core.listing import TaskPage, TaskQuery, attempts_at, list_tasks
from batch_core.naming import BlobVersion
from batch_core.retry import retry
from batch_core.services.batch_values import LiveTask
from batch_core.state.changes import Closing
from batch_core.state.listing import RecordFilter
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState
from batch_core.submit import new_record as record_of_version
from batch_core.tidy import list_all_days
from tests.batch_core.steps import collected, later, running, submitted, with_command

LONG = "/bin/sleep 600"
SUBMITTED = {
    "task_id": "t",
    "container": "input",
    "blob": "a.txt",
    "blob_etag": "0x1",
    "blob_last_modified": utc_now(),
    "blob_size": 1,
    "attempt": 1,
    "detected_by": DetectedBy.TRIGGER,
    "state": TaskState.SUBMITTED,
    "recorded_at": utc_now(),
}


async def recorded(app, count, *, days_ago=0, prefix="f", route="r", state=None):
    """Write records without files: `count` of a day, one second after the other; return them, the newest first."""
    day = (app.now() - timedelta(days=days_ago)).replace(hour=0, minute=0, second=0, microsecond=0)
    # At noon, or in the morning of today so that none is of the future.
    moment = max(day, min(day + timedelta(hours=12), app.now() - timedelta(seconds=count + 5)))
    records = []
    for number in range(count):
        name = f"{prefix}{number:03}.txt"
        version = BlobVersion(
            container="input", name=name, etag=name, last_modified=moment + timedelta(seconds=number), size=1
        )
        record = replace(record_of_version(app, version, DetectedBy.TRIGGER, 1), route=route, recorded_at=moment)
        records.append(record)
    stored = [one for first in range(0, count, 40) for one in await app.table.insert(records[first : first + 40])]
    if state is not None:
        outcome = Outcome(state=state, reason=None if state is TaskState.SUCCEEDED else "because")
        await app.table.close([Closing.of(one, outcome) for one in stored], moment)
    return records[::-1]


async def everything(app, query):
    """Follow a list to its end; return the task ids."""
    found, place = [], None
    while True:
        page = await list_tasks(app, query, place)
        found += [record.task_id for record in page.records]
        if page.next is None:
            return found
        place = page.next


def ids(*records):
    return [record.task_id for some in records for record in some]


async def test_tasks_are_listed_the_newest_first_and_page_by_page(storage_app):
    old = await recorded(storage_app, 3, days_ago=40, state=TaskState.SUCCEEDED)
    new = await recorded(storage_app, 7, state=TaskState.SUCCEEDED)
    for limit in (1, 3, 7, 50):
        assert await everything(storage_app, TaskQuery(limit=limit)) == ids(new, old)
    first = await list_tasks(storage_app, TaskQuery(limit=4))
    assert [record.task_id for record in first.records] == ids(new)[:4]


@pytest.mark.parametrize("limit", [2, 50])
async def test_a_list_is_filtered_by_state_route_name_and_day(storage_app, limit):
    failed = await recorded(storage_app, 3, prefix="a/", state=TaskState.FAILED)
    good = await recorded(storage_app, 3, prefix="b/", route="other", state=TaskState.SUCCEEDED)
    old = await recorded(storage_app, 2, days_ago=3, prefix="a/", state=TaskState.FAILED)
    waiting = await recorded(storage_app, 2, prefix="c/")

    async def found(day=None, **wanted):
        return await everything(storage_app, TaskQuery(wanted=RecordFilter(**wanted), day=day, limit=limit))

    assert await found(states=frozenset({TaskState.FAILED})) == ids(failed, old)
    assert await found(states=frozenset({TaskState.FAILED, TaskState.QUEUED}), prefix="a/0") == ids(failed, old)
    assert await found(states=frozenset({TaskState.QUEUED})) == ids(waiting)
    assert await found(states=frozenset({TaskState.SUBMITTED})) == []
    assert await found(route="other") == ids(good)
    assert await found(prefix="a/001") == [failed[1].task_id, old[0].task_id]
    assert await found(day=old[0].task_id[:8]) == ids(old)
    assert await found(day="20200101") == []
    assert await found(prefix="c/", states=frozenset({TaskState.QUEUED}), route="other") == []


async def test_open_work_is_found_among_much_that_is_final(storage_app, calls):
    first = await recorded(storage_app, 1, prefix="open-a")
    done = await recorded(storage_app, 150, prefix="done", state=TaskState.SUCCEEDED)
    last = await recorded(storage_app, 1, prefix="open-b", days_ago=1)
    calls.clear()
    query = TaskQuery(wanted=RecordFilter(states=frozenset({TaskState.QUEUED})))
    assert await everything(storage_app, query) == ids(first, last)
    assert len(calls) <= 6
    assert len(done) == 150


async def test_what_waits_for_long_is_found_and_what_runs_is_not(app):
    run = await submitted(with_command(app, LONG), "runs.txt")
    await running(app, run.task_id)
    wait = [await submitted(with_command(app, LONG), f"waits-{number}.txt") for number in range(3)]
    query = TaskQuery(waiting=timedelta(minutes=10))
    assert (await list_tasks(app, query)).records == []
    page = await list_tasks(later(app, minutes=11), query)
    # One of the three has the pool's second node.
    assert len(page.records) == 2
    assert {record.task_id for record in page.records} <= {record.task_id for record in wait}
    (live,) = [one for task_id, one in page.live.items() if task_id == run.task_id] or [None]
    assert live is None or live.state == "running"


async def test_a_page_says_what_runs_where_at_one_call_a_job(app, calls):
    record = await submitted(with_command(app, LONG), "runs.txt")
    await running(app, record.task_id)
    calls.clear()
    page = await list_tasks(app, TaskQuery())
    assert [call.service for call in calls].count("batch") == 1
    (task,) = json.loads(task_page_reply(page).body)["tasks"]
    assert (task["live"]["state"], task["live"]["reason"], task["reason"]) == (
        *("running", "it is running", "it is running"),
    )
    assert task["live"]["node_id"]
    assert task["live"]["started_at"]


@pytest.mark.parametrize(
    ("written", "state", "reason"),
    [
        ({}, "active", "it waits for a node"),
        ({"reason": "no nodes: pool p has none"}, "active", "no nodes: pool p has none"),
        ({"reason": "no nodes: pool p has none"}, "running", "it is running"),
        ({"reason": "being cancelled on request", "cancel_requested_at": utc_now()}, "running", "being cancelled"),
        ({"reason": "its output cannot be read", "output_tries": 1}, "preparing", "its output cannot be read"),
    ],
)
def test_the_reason_of_a_listed_task_is_what_its_own_page_says(written, state, reason):
    record = TaskRecord(**(SUBMITTED | written))
    live = LiveTask(state=state)
    (task,) = task_page_reply(TaskPage(records=[record], live={record.task_id: live})).document["tasks"]
    assert task["reason"].startswith(reason)


async def test_all_attempts_at_a_file_are_found_by_its_exact_name_in_two_calls(app, calls):
    first = await collected(app, (await submitted(with_command(app, "/bin/false"), "a b.txt")).task_id)
    second = await collected(app, (await retry(app, first.task_id)).record.task_id)
    calls.clear()
    page = await attempts_at(app, "a b.txt")
    assert [record.task_id for record in page.records] == [second.task_id, first.task_id]
    assert len(calls) == 2
    assert (await attempts_at(app, "a")).records == []


async def test_no_page_asks_the_table_more_than_ten_times(storage_app, calls):
    for days_ago in range(0, 60, 3):
        await recorded(storage_app, 1, days_ago=days_ago, state=TaskState.SUCCEEDED)
    query = TaskQuery(wanted=RecordFilter(route="none"))
    calls.clear()
    page = await list_tasks(storage_app, query)
    assert (page.records, page.next is not None) == ([], True)
    assert len(calls) <= 10
    assert await everything(storage_app, query) == []


async def test_days_of_an_earlier_release_are_listed_once(storage_app, calls):
    records = [await recorded(storage_app, 1, days_ago=ago, state=TaskState.SUCCEEDED) for ago in (0, 5, 9)]
    table = storage_app.table._client
    async for entity in table.query_entities("PartitionKey eq 'history'"):
        await table.delete_entity(entity)
    assert await everything(storage_app, TaskQuery()) == []
    await list_all_days(storage_app)
    assert await everything(storage_app, TaskQuery()) == ids(*records)
    calls.clear()
    await list_all_days(storage_app)
    assert len(calls) == 1


def test_a_request_is_read():
    request = ListRequest.parse(
        {"state": "failed, output_lost", "day": "2026-11-30", "route": "r", "prefix": "a/", "limit": "200", "code": "k"}
    )
    wanted = RecordFilter(states=frozenset({TaskState.FAILED, TaskState.OUTPUT_LOST}), route="r", prefix="a/")
    assert request == ListRequest(query=TaskQuery(wanted=wanted, day="20261130", limit=200))
    assert ListRequest.parse({"waiting": "PT10M"}).query.waiting == timedelta(minutes=10)
    assert ListRequest.parse({"blob": "a b"}).blob == "a b"
    assert ListRequest.parse({}) == ListRequest(query=TaskQuery())


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"state": "done"}, "'state' is 'done': it must be one of queued, submitted, succeeded"),
        ({"day": "2026-13-01"}, "'day' is '2026-13-01': it must be a day such as 2026-11-30"),
        ({"day": "٢٠٢٦١١٣٠"}, "it must be a day such as"),
        ({"waiting": "10 minutes"}, "it must be an ISO 8601 duration"),
        ({"waiting": "-PT5M"}, "it must be an ISO 8601 duration"),
        ({"waiting": "P1M"}, "it must be an ISO 8601 duration"),
        ({"limit": "0"}, "it must be a whole number from 1 to 200"),
        ({"limit": "²"}, "it must be a whole number from 1 to 200"),
        ({"limit": "9" * 5000}, "it must be a whole number from 1 to 200"),
        ({"continuation": "x"}, "it must be what an earlier page was answered with"),
        ({"continuation": "WyJhIiwgImIiXQ=="}, "it must be what an earlier page was answered with"),
        ({"continuation": "ü"}, "it must be what an earlier page was answered with"),
        ({"prefix": "a\0"}, "it must be the beginning of a blob's name"),
        ({"blob": "x" * 1025}, "it must be the name of a blob"),
        ({"blob": "a", "state": "failed"}, "'blob' is the exact name of a file, and goes with nothing else"),
        ({"waiting": "PT1M", "state": "failed"}, "'waiting' goes with the states queued and submitted alone"),
        ({"sate": "failed"}, "'sate' is not known: did you mean state?"),
        ({"zzz": "1"}, "'zzz' is not known: there are state, day"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_what_does(parameters, problem):
    with pytest.raises(InvalidRequest) as caught:
        ListRequest.parse(parameters)
    assert problem in " ".join(caught.value.problems)


async def test_a_continuation_leads_on_and_says_nothing(storage_app):
    records = await recorded(storage_app, 5, state=TaskState.SUCCEEDED)
    page = json.loads(task_page_reply(await list_tasks(storage_app, TaskQuery(limit=3))).body)
    assert [task["task_id"] for task in page["tasks"]] == ids(records)[:3]
    place = ListRequest.parse({"continuation": page["continuation"]}).place
    rest = json.loads(task_page_reply(await list_tasks(storage_app, TaskQuery(limit=3), place)).body)
    assert [task["task_id"] for task in rest["tasks"]] == ids(records)[3:]
    assert rest["continuation"] is None
