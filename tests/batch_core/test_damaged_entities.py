"""Entities that somebody changed by hand, and tasks that say what cannot be: they hold up nothing else."""

import json
from dataclasses import replace

import pytest

from batch_core.app import App
from batch_core.collect import collect
from batch_core.http.health import check_health
from batch_core.naming import table_keys, task_id
from batch_core.reconcile import reconcile
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from chaos.relay import Asked, Spoiled, pass_all
from tests.batch_core.relays import relayed_app
from tests.batch_core.steps import TRIGGER, collected, completed, dropped, later, record_of, submitted

JOB = {"PartitionKey": "jobs", "RowKey": "damaged-20260101-1", "day": "20260101", "number": 1, "is_open": True}
SWEEP = {"PartitionKey": "sweep", "RowKey": "position"}
OPEN = {"RowKey": "open-500000-x", "task_id": "x", "blob": "a", "job_id": "j"}


@pytest.mark.parametrize(
    "damaged",
    [
        JOB | {"watermark": "x"},
        JOB | {"closed_at": "x"},
        JOB | {"number": "x"},
        JOB | {"is_open": "yes"},
        JOB | {"day": 5},
        SWEEP | {"swept_until": "x"},
        SWEEP | {"started_at": 5},
        SWEEP | {"continuation": "there is no such page"},
        OPEN | {"since": "x"},
        OPEN | {"since": None},
        OPEN | {"since": ..., "job_id": 5},
        OPEN | {"since": ..., "job_id": "a/b c?"},
        OPEN | {"since": ..., "task_id": 5},
        OPEN | {"since": ..., "next_attempt_at": "x"},
        OPEN | {"since": ..., "is_cancelled": "x"},
        {"RowKey": "between"},
        {"PartitionKey": "history", "RowKey": "5x"},
        {"PartitionKey": "days", "RowKey": "no day"},
    ],
    ids=str,
)
async def test_a_damaged_entity_holds_up_nothing_else(app, damaged):
    known, unknown = await dropped(app, "known.txt"), await dropped(app, "unknown.txt")
    (one,) = await submit(app, [known], detected_by=TRIGGER)
    record = one.record
    await completed(app, [record.task_id])
    row = {"PartitionKey": record.task_id[:8]} | damaged
    if row.get("since") is ...:
        row["since"] = record.recorded_at
    if row["RowKey"] == "between":
        row["RowKey"] = table_keys(record.task_id).row + "0"
    await app.clients.tables.get_table_client(app.settings.table_name).upsert_entity(row)
    for tick in (sweep, reconcile, tidy, check_health):
        await tick(later(app, minutes=30))
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED
    assert task_id(unknown) in await app.table.recorded_among([task_id(unknown)])
    again = await submit_again(app, known, detected_by=DetectedBy.HTTP)
    assert again.record.attempt == 2


async def test_another_container_is_swept_from_its_beginning(app):
    version = await dropped(app, "old.txt")
    await sweep(later(app, minutes=30))
    other = f"{app.settings.input_container}-too"
    position = replace(await app.sweep_checkpoint.load(), container=other)
    # As if the setting had named another container until now.
    await app.sweep_checkpoint.save(replace(position, swept_until=app.now()))
    await remove_record(app, version)
    report = await sweep(later(app, minutes=30))
    assert (report.looked_up, report.is_complete) == (1, True)
    assert (await app.sweep_checkpoint.load()).container == app.settings.input_container


async def remove_record(app: App, version) -> None:
    table = app.clients.tables.get_table_client(app.settings.table_name)
    rows = [entity async for entity in table.query_entities("PartitionKey ge '0' and PartitionKey lt ':'")]
    for row in rows:
        if row.get("blob") == version.name:
            await table.delete_entity(row["PartitionKey"], row["RowKey"])


@pytest.mark.parametrize(
    "change",
    [
        {"exitCode": 2**63},
        {"exitCode": [1]},
        {"exitCode": {"a": 1}},
        {"exitCode": "x"},
        {"startTime": 5},
    ],
    ids=str,
)
async def test_a_task_that_ended_as_none_can_is_left_and_the_others_are_closed(environment, batch_endpoint, change):
    async with relayed_app(environment, batch_endpoint) as relayed:
        bad, good = await submitted(relayed.app, "bad"), await submitted(relayed.app, "good")
        await completed(relayed.app, [bad.task_id, good.task_id])
        relayed.batch.spoil = lists({bad.task_id: change, good.task_id: {}})
        await collect(relayed.app)
        assert (await record_of(relayed.app, bad.task_id)).state is TaskState.SUBMITTED
        assert (await record_of(relayed.app, good.task_id)).state is TaskState.FAILED
        relayed.batch.spoil = pass_all
        assert (await collected(relayed.app, bad.task_id)).state is TaskState.SUCCEEDED


async def test_a_time_before_all_times_is_left_out(environment, batch_endpoint):
    async with relayed_app(environment, batch_endpoint) as relayed:
        record = await submitted(relayed.app)
        await completed(relayed.app, [record.task_id])
        relayed.batch.spoil = lists({record.task_id: {"startTime": "0001-01-01T00:00:00Z"}})
        await collect(relayed.app)
        record = await record_of(relayed.app, record.task_id)
        assert (record.state, record.started_at) == (TaskState.FAILED, None)


def lists(changes: dict[str, dict[str, object]]):
    """Answer the list of completed tasks with these, which failed but for what is changed."""

    def spoil(asked: Asked) -> Spoiled | None:
        if asked.method != "GET" or "/tasks?" not in asked.path or "completed" not in asked.path:
            return None
        ended = {"result": "failure", "exitCode": 1, "retryCount": 0, "requeueCount": 0}
        items = [
            {"id": task, "stateTransitionTime": "2026-11-25T20:00:00Z", "executionInfo": ended | change}
            for task, change in changes.items()
        ]
        return Spoiled(body=json.dumps({"value": items}).encode(), content_type="application/json")

    return spoil
