"""A file whose output is lost is run again by itself, as often as its route says."""

import asyncio
import shutil
from dataclasses import replace

import pytest

from batch_core.app import App
from batch_core.collect import collect
from batch_core.errors import Unavailable
from batch_core.reconcile import reconcile
from batch_core.retry import run_again
from batch_core.state.changes import Change
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState
from tests.batch_core.steps import (
    collected,
    completed,
    dropped,
    later,
    output,
    record_of,
    submitted,
    tasks_of,
    with_routes,
)

ROUTE = """
[[routes]]
name = "texts"
match = "**"
command = "/bin/bash -c 'cat $INPUT_FILE'"
lost_output_retries = 1
"""
LOST = Outcome(state=TaskState.OUTPUT_LOST, reason="its node is gone")


@pytest.fixture
def routed(app, tmp_path) -> App:
    return with_routes(app, tmp_path / "routes.toml", ROUTE)


async def loses_its_output(app: App, location, record: TaskRecord) -> None:
    """Let the task complete, and what it printed vanish."""
    await completed(app, [record.task_id])
    (directory,) = location.rglob(record.task_id)
    (directory / "stdout.txt").unlink()


async def forgotten(app: App, record: TaskRecord) -> None:
    """Let somebody delete the task from Batch."""
    await app.clients.batch.delete_task(record.job_id, record.task_id)


async def test_a_file_whose_output_is_lost_runs_again_and_both_records_say_so(routed, batch_location):
    record = await submitted(routed)
    await loses_its_output(routed, batch_location, record)
    old = await collected(routed, record.task_id)
    new = await record_of(routed, old.retried_as)
    assert old.state is TaskState.OUTPUT_LOST
    assert old.reason.startswith("the command succeeded, but its output is lost")
    assert old.reason.endswith(f"; it runs again as {new.task_id}")
    assert (new.retry_of, new.attempt, new.detected_by) == (old.task_id, 2, DetectedBy.OUTPUT_LOST)
    assert (new.lost_before, new.route) == (1, "texts")
    new = await collected(routed, new.task_id)
    assert (new.state, await output(routed, new.stdout)) == (TaskState.SUCCEEDED, b"text")


async def test_it_runs_again_no_more_often_than_its_route_says(routed, batch_location):
    record = await submitted(routed)
    await loses_its_output(routed, batch_location, record)
    second = await record_of(routed, (await collected(routed, record.task_id)).retried_as)
    await loses_its_output(routed, batch_location, second)
    second = await collected(routed, second.task_id)
    assert (second.state, second.retried_as) == (TaskState.OUTPUT_LOST, None)
    assert len(await tasks_of(routed)) == 2


async def test_without_a_word_of_its_route_nothing_runs_again(app, batch_location):
    record = await submitted(app)
    await loses_its_output(app, batch_location, record)
    assert (await collected(app, record.task_id)).retried_as is None
    assert len(await tasks_of(app)) == 1


async def test_what_batch_no_longer_knows_runs_again(routed):
    record = await submitted(routed)
    await completed(routed, [record.task_id])
    await forgotten(routed, record)
    await reconcile(later(routed, minutes=5))
    old = await record_of(routed, record.task_id)
    assert (old.state, old.reason.partition(":")[0]) == (TaskState.OUTPUT_LOST, "Batch no longer knows the task")
    new = await collected(routed, old.retried_as)
    assert (new.state, await output(routed, new.stdout)) == (TaskState.SUCCEEDED, b"text")


async def test_output_that_comes_into_reach_after_the_next_attempt_was_named_is_not_a_second_result(
    routed, batch_location, monkeypatch
):
    record = await submitted(routed)
    await completed(routed, [record.task_id])
    (directory,) = batch_location.rglob(record.task_id)
    moved = directory.with_name("elsewhere")
    shutil.move(directory, moved)
    routed = replace(routed, settings=replace(routed.settings, output_patience=-routed.settings.output_patience))

    async def stops(records):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("batch_core.collect.MIN_OUTPUT_TRIES", 1)
        patch.setattr(routed.table, "insert", stops)
        with pytest.raises(asyncio.CancelledError):
            await collect(routed)
    named = await record_of(routed, record.task_id)
    assert (named.state.is_final, named.retried_as is None) == (False, False)
    shutil.move(moved, directory)
    old = await collected(routed, record.task_id)
    assert (old.state, old.stdout, old.retried_as) == (TaskState.OUTPUT_LOST, None, named.retried_as)
    assert "TaskFilesUnavailable" in old.reason
    assert (await collected(routed, old.retried_as)).state is TaskState.SUCCEEDED


async def test_a_file_that_has_changed_or_gone_is_not_run_again(routed, batch_location):
    changed, gone = await submitted(routed, "changed.txt"), await submitted(routed, "gone.txt")
    for record in (changed, gone):
        await completed(routed, [record.task_id])
    await dropped(routed, "changed.txt", b"another text")
    await routed.clients.blobs.get_blob_client(gone.container, gone.blob).delete_blob()
    for record, why in ((changed, "has changed since"), (gone, "there is no blob")):
        await forgotten(routed, record)
        await reconcile(later(routed, minutes=5))
        old = await record_of(routed, record.task_id)
        assert (old.state, old.retried_as) == (TaskState.OUTPUT_LOST, None)
        assert "it is not run again: " in old.reason
        assert why in old.reason


async def test_an_attempt_that_ran_before_the_file_changed_is_still_named(routed):
    record = await submitted(routed)
    await completed(routed, [record.task_id])
    first = await run_again(routed, record.task_id, LOST)
    await dropped(routed, record.blob, b"another text")
    assert await run_again(routed, record.task_id, LOST) == first
    assert first.reason.startswith("its node is gone; it runs again as ")


async def test_what_was_cancelled_is_not_run_again(routed):
    record = await submitted(routed)
    stored = await routed.table.get(record.task_id)
    await routed.table.update([Change(stored, replace(stored.record, cancel_requested_at=routed.now()))])
    assert await run_again(routed, record.task_id, LOST) == LOST


async def test_what_was_cancelled_after_its_next_attempt_was_named_is_not_run_again(routed):
    record = await submitted(routed)
    stored = await routed.table.get(record.task_id)
    named = replace(stored.record, retried_as=f"{record.task_id}-r2", reason="its node is gone")
    await routed.table.update([Change(stored, replace(named, cancel_requested_at=routed.now()))])
    outcome = await run_again(routed, record.task_id, LOST)
    assert outcome.reason == "its node is gone; it is not run again, as it is cancelled"
    assert len(await tasks_of(routed)) == 1


async def test_two_instances_make_one_attempt(routed):
    record = await submitted(routed)
    await completed(routed, [record.task_id])
    outcomes = await asyncio.gather(*(run_again(routed, record.task_id, LOST) for _ in range(4)))
    assert len(set(outcomes)) == 1
    assert len(await tasks_of(routed)) == 2


async def test_trouble_on_the_way_decides_nothing(routed, monkeypatch):
    record = await submitted(routed)
    await completed(routed, [record.task_id])
    await forgotten(routed, record)

    async def unavailable(name):
        raise Unavailable(f"reading {name}")

    with monkeypatch.context() as patch:
        patch.setattr(routed.inputs, "version_of", unavailable)
        report = await reconcile(later(routed, minutes=5))
    assert not report.is_complete
    assert not (await record_of(routed, record.task_id)).state.is_final
    await reconcile(later(routed, minutes=5))
    assert (await record_of(routed, record.task_id)).retried_as
