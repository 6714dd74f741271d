"""A table that an earlier release wrote is read as it was meant.

`live_table.json` holds the entities of such a table: a record of each kind with its index entity, jobs, and a sweep in
progress, written by the code of November 2026, before `batch_core` had rooms. Properties that have other names in the
code today must go on working.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from azure.data.tables import EdmType, EntityProperty

from batch_core.app import App
from batch_core.obstacle import Obstacle
from batch_core.state.index import OpenTask
from batch_core.state.job_registry import JobEntry
from batch_core.state.record import TaskState
from batch_core.state.sweep_checkpoint import SweepPosition

DAY = "20261123"
NOW = datetime(2026, 11, 23, 8, 1, 2, 345678, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STATES = {
    "queued.txt": TaskState.QUEUED,
    "postponed.txt": TaskState.QUEUED,
    "archived.txt": TaskState.QUEUED,
    "submitted.txt": TaskState.SUBMITTED,
    "verified.txt": TaskState.SUBMITTED,
    "explained.txt": TaskState.SUBMITTED,
    "cancelled-wish.txt": TaskState.SUBMITTED,
    "failing.txt": TaskState.SUBMITTED,
    "succeeded.txt": TaskState.SUCCEEDED,
    "failed.txt": TaskState.FAILED,
    "output-lost.txt": TaskState.OUTPUT_LOST,
    "cancelled.txt": TaskState.CANCELLED,
    "rejected.txt": TaskState.REJECTED,
}


@pytest.fixture
async def old_app(storage_app: App) -> App:
    client = storage_app.clients.tables.get_table_client(storage_app.settings.table_name)
    for entity in json.loads(Path(__file__).with_name("live_table.json").read_text()):
        await client.upsert_entity({name: _value(value) for name, value in entity.items()})
    return storage_app


def _value(value: object) -> object:
    match value:
        case {"Edm.Int64": number}:
            return EntityProperty(number, EdmType.INT64)
        case {"Edm.DateTime": moment}:
            return datetime.fromisoformat(moment)
    return value


async def open_tasks(app: App) -> dict[str, OpenTask]:
    return {task.blob: task async for page in app.table.open_work(DAY) for task in page}


async def records(app: App) -> list:
    entities = app.clients.tables.get_table_client(app.settings.table_name).list_entities(select=["task_id", "state"])
    ids = {entity["task_id"] async for entity in entities if entity.get("state")}
    return [one.record for one in (await app.table.records_among(ids)).values()]


async def test_every_record_of_an_old_table_is_read(old_app):
    found = {one.blob: one for one in await records(old_app) if one.blob != "retried.txt"}
    assert {name: one.state for name, one in found.items()} == STATES
    assert found["archived.txt"].obstacle is Obstacle.ARCHIVED
    assert found["postponed.txt"].next_attempt_at == NOW + MINUTE
    assert found["cancelled-wish.txt"].cancel_requested_at == NOW + 2 * MINUTE
    assert found["failed.txt"].failure_code == "FailureExitCode"
    assert found["queued.txt"].blob_size == 2**40


async def test_an_attempt_and_its_retry_name_each_other_in_an_old_table(old_app):
    both = [one for one in await records(old_app) if one.blob == "retried.txt"]
    first, second = sorted(both, key=lambda one: one.attempt)
    assert (first.retried_as, second.retry_of) == (second.task_id, first.task_id)
    assert await old_app.table.newest_attempt(first.version) == 2


async def test_the_index_of_an_old_table_says_what_it_said(old_app):
    tasks = await open_tasks(old_app)
    assert set(tasks) == {name for name, state in STATES.items() if not state.is_final} | {"retried.txt"}
    assert {name for name, task in tasks.items() if task.cancel_requested} == {"cancelled-wish.txt"}
    assert {name for name, task in tasks.items() if task.is_verified} == {
        "verified.txt",
        "explained.txt",
        "failing.txt",
    }
    assert {name for name, task in tasks.items() if task.is_obstructed} == {"archived.txt"}
    assert tasks["postponed.txt"].next_attempt_at == NOW + MINUTE
    assert tasks["failing.txt"].failing_since == NOW + 3 * MINUTE
    assert tasks["explained.txt"].explained == "it waits for a node of pool 'pool': every task slot is taken"
    assert {(task.job_id, task.since) for task in tasks.values()} == {("files-pool-20261123-1", NOW)}


async def test_the_jobs_and_the_sweep_of_an_old_table_are_where_they_were(old_app):
    days = [date(2026, 11, day) for day in (21, 22, 23)]
    names = [f"files-pool-{day:%Y%m%d}-1" for day in days]
    assert await old_app.registry.jobs() == [
        # It was sent back: its termination no longer counts.
        JobEntry(job_id=names[0], day=days[0], number=1, takes_tasks=False, watermark=NOW - MINUTE),
        JobEntry(job_id=names[1], day=days[1], number=1, takes_tasks=False, terminated_at=NOW),
        JobEntry(job_id=names[2], day=days[2], number=1, takes_tasks=True, watermark=NOW),
    ]
    assert await old_app.sweep_checkpoint.load() == SweepPosition(
        container="input",
        swept_until=NOW,
        continuation="2!8!MDAw",
        started_at=NOW + MINUTE,
        oldest_left=NOW - MINUTE,
        long_name="a" * 930,
    )
    assert await old_app.table.days() == [DAY]
