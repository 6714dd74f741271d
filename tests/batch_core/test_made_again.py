"""Table, pool, containers and jobs are deleted and made again while the app's process remembers the old ones."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core.app import App, app_on
from batch_core.cli import provision
from batch_core.cli.session import Session
from batch_core.cli.terminal import Terminal
from batch_core.cli.upkeep import set_up
from batch_core.collect import collect
from batch_core.errors import Missing
from batch_core.http.health import check_health
from batch_core.naming import table_keys, task_id
from batch_core.reconcile import reconcile
from batch_core.state.entities import DAYS, JOBS
from batch_core.state.record import TaskRecord, TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from tests.batch_core.steps import (
    TRIGGER,
    collected,
    completed,
    deleted,
    dropped,
    later,
    output,
    record_of,
    submitted,
    tasks_of,
    with_command,
)


async def made_again(app: App, kind: str) -> None:
    """Delete what the app works with and make it again, as `teardown` and `setup` do."""
    for resource in provision.resources(app):
        if kind in resource.description:
            assert await provision.remove(resource)
            assert await provision.make(resource)


async def open_work(app: App) -> tuple[bool, str]:
    (check,) = [check for check in await check_health(app) if check.name == "open work"]
    return check.is_ok, check.detail


async def ended(app: App, record: TaskRecord) -> TaskRecord:
    """Let the ticks of another process run, which remembers nothing of this one, until the record has its end."""
    other = app_on(app.clients, app.settings)
    await completed(app, [record.task_id])
    await reconcile(later(other, minutes=5))
    await collect(other)
    return await record_of(app, record.task_id)


async def test_what_is_submitted_after_the_table_was_made_again_is_found(app):
    before = await submitted(app, "before.txt")
    await made_again(app, "table")
    record = await submitted(app, "after.txt")
    assert (record.state, record.job_id) == (TaskState.SUBMITTED, before.job_id)
    assert await app.table.days() == [table_keys(record.task_id).partition]
    assert await open_work(app) == (
        False,
        f"job {record.job_id} has open tasks and is not listed: the next reconciling tick lists it",
    )
    assert (await ended(app, record)).state is TaskState.SUCCEEDED
    assert await open_work(app) == (True, "its days and jobs are listed")
    assert await output(app, f"after.txt/{record.task_id}/stdout.txt") == b"text"


async def test_yesterdays_records_are_found_though_the_next_file_comes_on_another_day(app):
    await submitted(app, "before.txt")
    await made_again(app, "table")
    yesterdays = await submitted(app, "after.txt")
    # The same process, a day later: its next file is of another day and goes to another job.
    tomorrow = replace(app, now=later(app, days=1).now)
    app.jobs._now = tomorrow.now
    version = await dropped(app, "next.txt")
    version = replace(version, last_modified=version.last_modified + timedelta(days=1))
    (todays,) = await submit(tomorrow, [version], detected_by=TRIGGER)
    assert todays.record.job_id != yesterdays.job_id
    assert len(await app.table.days()) == 2
    await completed(app, [yesterdays.task_id, todays.record.task_id])
    ticks = later(app_on(app.clients, app.settings), days=1, minutes=5)
    await reconcile(ticks)
    await collect(ticks)
    for record in (yesterdays, todays.record):
        assert (await record_of(app, record.task_id)).state is TaskState.SUCCEEDED
    await reconcile(later(app, days=1, hours=3))
    assert await app.table.days() == []


async def test_what_the_table_lost_is_recorded_again_by_the_sweep_and_runs_once_in_todays_job(app):
    await submitted(app, "before.txt")
    await made_again(app, "table")
    # At its own time: half an hour later, today's job might be tomorrow's.
    intake = replace(app.settings.intake, sweep_grace=timedelta(0))
    assert (await sweep(replace(app, settings=replace(app.settings, intake=intake)))).submitted == 1
    ((job_id, task_id),) = await tasks_of(app)
    assert (await ended(app, await record_of(app, task_id))).job_id == job_id


async def test_a_table_that_is_missing_meanwhile_is_said_to_be(app):
    await submitted(app, "before.txt")
    table = provision.resources(app)[2]
    await provision.remove(table)
    version = await dropped(app, "after.txt")
    with pytest.raises(Missing, match="TableNotFound"):
        await submit(app, [version], detected_by=TRIGGER)
    await provision.make(table)
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    assert (await ended(app, submission.record)).state is TaskState.SUCCEEDED


async def test_many_submissions_at_once_into_a_table_made_again_note_its_day(app):
    await submitted(app, "before.txt")
    versions = [await dropped(app, f"{number}.txt") for number in range(8)]
    await made_again(app, "table")
    done = await asyncio.gather(*(submit(app, [version], detected_by=TRIGGER) for version in versions))
    assert {one.record.state for (one,) in done} == {TaskState.SUBMITTED}
    assert await app.table.days() == [table_keys(done[0][0].record.task_id).partition]


@pytest.mark.parametrize("partition", [DAYS, JOBS])
async def test_a_day_or_a_job_that_somebody_removed_from_the_table_is_reported_and_listed_again(app, capsys, partition):
    record = await submitted(app)
    async for entity in app.table._client.query_entities(f"PartitionKey eq '{partition}'"):
        await app.table._client.delete_entity(entity)
    is_ok, detail = await open_work(app)
    assert (is_ok, "is not listed" in detail) == (False, True)
    await set_up(Session(app=app, terminal=Terminal()))
    assert ("was not noted" in capsys.readouterr().out) == (partition == DAYS)
    assert (await ended(app, record)).state is TaskState.SUCCEEDED


async def test_a_job_that_somebody_deleted_is_replaced_though_the_process_remembers_it(app):
    first = await submitted(app, "a.txt")
    await deleted(app, first.job_id)
    record = await submitted(app, "b.txt")
    assert (record.state, record.job_id) == (TaskState.SUBMITTED, first.job_id[:-1] + "2")
    assert (await ended(app, record)).state is TaskState.SUCCEEDED


async def test_a_task_waits_for_a_pool_that_is_made_again(app):
    await submitted(app, "a.txt")
    pool = provision.resources(app)[3]
    assert await provision.remove(pool)
    record = await submitted(app, "b.txt")
    assert await provision.make(pool)
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_files_of_containers_that_were_made_again_are_taken_and_their_output_arrives(app):
    await submitted(app, "a.txt")
    await sweep(later(app, minutes=5))
    await made_again(app, "container")
    version = await dropped(app, "a.txt", b"new")
    assert (await sweep(later(app, minutes=30))).submitted == 1
    task = task_id(version)
    assert await output(app, (await collected(app, task)).stdout) == b"new"


async def test_a_steady_submission_costs_no_call_more(app, calls):
    await submitted(app, "a.txt")
    version = await dropped(app, "b.txt")
    calls.clear()
    await submit(with_command(app, "/bin/true"), [version], detected_by=TRIGGER)
    # The record, the task, what became of it.
    assert [call.service for call in calls] == ["table", "batch", "table"]
