"""A table of an earlier release is read, and its open work goes on; a release before it can work on the same table.

`table_of_0_1.json` is the table of 0.1, written by `write_table.py` with the code of then: a record of each kind, what
its ticks and people left beside that, and events that were not sent. Batch has of it what it had.
"""

import asyncio
import itertools
import json
from collections import Counter
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from azure.core.exceptions import ResourceNotFoundError

from batch_core.app import App, open_app
from batch_core.cli import provision
from batch_core.collect import collect
from batch_core.config.settings import Settings
from batch_core.http.health import check_health
from batch_core.listing import TaskQuery, list_tasks
from batch_core.obstacle import Obstacle
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.services.input_listing import ListedPage
from batch_core.state.index import OpenTask
from batch_core.state.listing import Place, RecordFilter
from batch_core.state.record import OPEN_STATES, TaskRecord, TaskState
from batch_core.state.selections import Action
from batch_core.summary import summarize
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from tests.batch_core.events import events_of
from tests.batch_core.state.test_live_tables import _value
from tests.batch_core.steps import deleted, dropped, later, task_of, with_command

HERE = Path(__file__).parent
ENTITIES = json.loads(HERE.joinpath("table_of_0_1.json").read_text(encoding="utf-8"))
POOL = "pool-of-0-1"
STATES = {
    ("succeeded.txt", 1): TaskState.SUCCEEDED,
    ("failed.txt", 1): TaskState.FAILED,
    ("failed.txt", 2): TaskState.SUBMITTED,
    ("rejected.txt", 1): TaskState.REJECTED,
    ("output-lost.txt", 1): TaskState.OUTPUT_LOST,
    ("cancelled.txt", 1): TaskState.CANCELLED,
    ("recorded.txt", 1): TaskState.QUEUED,
    ("accepted.txt", 1): TaskState.QUEUED,
    ("postponed.txt", 1): TaskState.QUEUED,
    ("archived.txt", 1): TaskState.QUEUED,
    ("runs.txt", 1): TaskState.SUBMITTED,
    ("stopped.txt", 1): TaskState.SUBMITTED,
    ("failing.txt", 1): TaskState.SUBMITTED,
    ("past.txt", 1): TaskState.CANCELLED,
}
UNSENT = {"rejected.txt", "output-lost.txt", "cancelled.txt", "past.txt"}
DAY = max(one["PartitionKey"] for one in ENTITIES if one["PartitionKey"].isdigit())
PAST = min(one["PartitionKey"] for one in ENTITIES if one["PartitionKey"].isdigit())


async def fill(app: App) -> None:
    client = app.clients.tables.get_table_client(app.settings.table_name)
    for entity in ENTITIES:
        await client.upsert_entity({name: _value(value) for name, value in entity.items()})


@pytest.fixture
async def old_app(environment, events_queue, batch_endpoint):
    """An app on the table of 0.1, with its pool, and the files that its records are of."""
    wanted = {"BATCH_ENDPOINT": batch_endpoint, "BATCH_POOL_ID": POOL, "POOL_TASK_SLOTS_PER_NODE": "16"}
    app = open_app(Settings.from_env(environment | wanted))
    try:
        for resource in provision.resources(app):
            await provision.make(resource)
        await fill(app)
        yield app
        for job in await app.registry.jobs():
            with suppress(ResourceNotFoundError):
                await deleted(app, job.job_id)
        await (await app.clients.batch.begin_delete_pool(POOL, polling_interval=0.05)).result()
    finally:
        await app.clients.close()


async def records(app: App) -> list[TaskRecord]:
    found = [await app.listing.records(Place(day=day), RecordFilter(), 100) for day in await app.history.days(None, 9)]
    return [record for page in found for record in page.found]


async def batch_has(app: App, names: set[str]) -> None:
    """Let Batch have the tasks of these files, as it had, each with its file to read."""
    quick = with_command(app, "/bin/bash -c 'echo out'")
    for record in await records(app):
        if record.blob in names and not record.state.is_final:
            await app.jobs.make(record.job_id)
            await app.batch.add_tasks(record.job_id, [await task_of(quick, record)])


async def test_every_record_says_what_it_said(old_app):
    found = {(one.blob, one.attempt): one for one in await records(old_app)}
    assert {key: one.state for key, one in found.items()} == STATES
    assert found["archived.txt", 1].obstacle is Obstacle.ARCHIVED
    assert found["postponed.txt", 1].submit_tries == 2
    assert found["failing.txt", 1].output_tries == 2
    assert found["stopped.txt", 1].cancel_asked_by == "a person"
    first, second = found["failed.txt", 1], found["failed.txt", 2]
    assert (first.retried_as, second.retry_of, second.asked_by) == (second.task_id, first.task_id, "a person")
    assert (first.exit_code, first.stderr_end) == (3, "err")
    assert await old_app.table.newest_attempt(first.version) == 2
    assert {one.task_id for one in found.values()} == {
        (await old_app.table.get(one.task_id)).record.task_id for one in found.values()
    }


async def test_lists_and_the_summary_count_what_is_there(old_app):
    page = await list_tasks(old_app, TaskQuery(limit=100))
    assert Counter(one.state for one in page.records) == Counter(STATES.values())
    page = await list_tasks(old_app, TaskQuery(wanted=RecordFilter(states=frozenset(OPEN_STATES)), limit=100))
    assert {(one.blob, one.attempt) for one in page.records} == {key for key in STATES if STATES[key] in OPEN_STATES}
    summary = await summarize(old_app)
    assert sum(summary.open_work.queued.values()) + sum(summary.open_work.submitted.values()) == 8
    assert summary.open_work.is_all
    assert "thumbnails" in summary.paused.routes
    assert summary.statistics.ticks.keys() == {"collect_outputs"}
    assert await old_app.listing.final_states(DAY) == {
        "settings": {"succeeded": 1, "failed": 1, "rejected": 1, "output_lost": 1, "cancelled": 1}
    }


async def test_what_is_kept_beside_the_records_says_what_it_said(old_app):
    assert await old_app.history.days(None, 9) == [DAY, PAST]
    assert await old_app.table.days() == [DAY]
    assert list(await old_app.outbox.days()) == [PAST]
    (selection,) = await old_app.selections.newest()
    assert (selection.action, selection.done, selection.refused, selection.refusal) == (
        Action.RETRY,
        1,
        1,
        "it has changed",
    )
    assert (await old_app.scaling.all())["images"].closing == ("tvmps_1",)
    position = await old_app.sweep_checkpoint.load()
    assert (position.container, position.continuation) == ("input", "2!8!MDAw")
    past, present = await old_app.registry.jobs()
    assert (past.terminated_at is not None, past.takes_tasks) == (True, False)
    assert (present.takes_tasks, present.pool_id) == (True, POOL)
    assert {one.blob for day in (DAY, PAST) async for page in old_app.outbox.unsent(day) for one in page} == UNSENT
    of_past, _ = await old_app.history.past_days(DAY)
    assert (of_past.day, of_past.outputs_removed_to, of_past.is_without_outputs) == (PAST, "796556-past", True)
    assert f"{of_past.last_end:%Y%m%d}" == DAY
    mark = await old_app.retention.mark()
    assert (mark.left_alone == mark.removable, f"{mark.left_alone_since:%Y%m%d}") == (True, DAY)
    statistics = await old_app.statistics.read(datetime.strptime(f"{DAY}+0000", "%Y%m%d%z"), days=2, hours=2)
    assert statistics.days[DAY] == {"settings": {"failed": 1, "succeeded": 1}}
    assert statistics.node_seconds[POOL] == {DAY: 60.0}


async def test_all_open_work_comes_to_its_end_and_every_end_that_was_left_is_announced(old_app):
    for blob, _ in STATES:
        await dropped(old_app, blob)
    await batch_has(old_app, {"accepted.txt", "runs.txt", "stopped.txt", "failing.txt", "failed.txt"})
    quick = with_command(old_app, "/bin/bash -c 'echo out'")
    # Its route says something else today, and what is archived is looked at every hour: both take some ticks.
    hours = itertools.count(2, 2)
    async with asyncio.timeout(60):
        while not all(one.state.is_final for one in await records(old_app)):
            await reconcile(later(quick, hours=next(hours)))
            await collect(quick)
            await asyncio.sleep(0.1)
    ends = {(one.blob, one.attempt): one for one in await records(old_app)}
    others = {key: STATES[key] for key in STATES if STATES[key].is_final}
    assert {key: ends[key].state for key in others} == others
    open_ones = {key: ends[key] for key in STATES if not STATES[key].is_final}
    # The file is another one by now; and a task that is stopped may have ended by itself.
    assert open_ones["archived.txt", 1].state is TaskState.REJECTED
    rest = {one.state for (blob, _), one in open_ones.items() if blob not in {"archived.txt", "stopped.txt"}}
    assert rest == {TaskState.SUCCEEDED}
    announced = Counter(one["data"]["task_id"] for one in await events_of(old_app))
    expected = {one.task_id for key, one in ends.items() if key in open_ones or one.blob in UNSENT}
    assert announced == Counter(expected)
    assert await old_app.outbox.days() == {}
    assert all(check.is_ok for check in await check_health(old_app) if check.name in {"open work", "events"})


async def test_a_sweep_of_its_files_finds_all_of_them_recorded_and_a_tidying_tick_leaves_them(old_app):
    before = await records(old_app)

    async def as_they_were():
        return ListedPage(
            versions=[one.version for one in before if one.attempt == 1], pending=[], long_name=None, continuation=None
        )

    swept = replace(
        later(old_app, minutes=5), inputs=SimpleNamespace(listing=lambda _: SimpleNamespace(next_page=as_they_were))
    )
    report = await sweep(swept)
    assert (report.looked_up, report.submitted) == (13, 0)
    await tidy(later(old_app, days=1))
    assert await records(old_app) == before


async def test_a_task_that_ended_then_can_be_retried(old_app):
    (failed,) = [one for one in await records(old_app) if (one.blob, one.attempt) == ("failed.txt", 1)]
    again = with_command(old_app, "/bin/true")
    submission = await retry(with_version(again, failed), failed.task_id)
    assert (submission.record.attempt, submission.is_new) == (2, False)


def with_version(app: App, record: TaskRecord) -> App:
    """Return the app as it is where the file is still what it was."""

    async def version_of(_name):
        return record.version

    return replace(app, inputs=SimpleNamespace(version_of=version_of))


# A release before it, on the same table: what it reads, by the properties and the ranges of its code of then.


def test_a_release_before_it_finds_records_and_open_work_where_it_looks_for_them():
    before = json.loads(HERE.joinpath("live_table.json").read_text(encoding="utf-8"))
    for kind in ("records", "open work"):
        needed = set.intersection(*(set(one) for one in before if _kind(one) == kind))
        written = [one for one in ENTITIES if _kind(one) == kind]
        assert written
        lacking = [(one["RowKey"], needed - set(one)) for one in written if needed - set(one)]
        assert [(row, names) for row, names in lacking if names - {"submission", "reason"}] == []


def _kind(entity: dict) -> str | None:
    """Return what a release that knows of no events takes an entity for: by the ranges of its queries."""
    if not entity["PartitionKey"].isdigit():
        return None
    if entity["RowKey"] < "a":
        return "records"
    return "open work" if entity["RowKey"] >= "open-" else None


def test_what_an_index_entity_says_beyond_what_a_release_knows_is_passed_over():
    names = {name for one in ENTITIES if _kind(one) == "open work" for name in one} - {"PartitionKey", "RowKey"}
    known = {one.name for one in fields(OpenTask)} | {"is_cancelled"}
    assert names <= known
