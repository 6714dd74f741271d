"""Most ticks list what completed since the one before; now and then one looks further back: nothing is missed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from batch_core.collect import collect
from batch_core.errors import Unavailable
from batch_core.lookback import BRIEF, EVERY, OVERLAP, Lookbacks
from batch_core.reconcile import reconcile
from batch_core.state.job_registry import JobEntry
from batch_core.state.record import TaskState
from tests.batch_core.steps import completed, later, record_of, submitted, with_command

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
JOB = JobEntry(job_id="j", day=date(2026, 11, 30), number=1, takes_tasks=True, watermark=NOW - timedelta(hours=1))


@pytest.fixture
def lists(app, monkeypatch):
    """From when on completed tasks were listed."""
    since = []
    listing = app.batch.completed_tasks

    def recording(job_id, moment):
        since.append(moment)
        return listing(job_id, moment)

    monkeypatch.setattr(app.batch, "completed_tasks", recording)
    return since


async def test_ticks_one_after_the_other_list_a_task_as_new_once(app, lists):
    quick = with_command(app, "/bin/true")
    first = [(await submitted(quick, f"{number}.txt")).task_id for number in range(3)]
    await completed(app, first)
    assert (await collect(app)).listed == 3
    for _ in range(5):
        await collect(app)
    assert lists[0] is None
    # What completed within the last seconds is listed again, and all later ticks look back as far as that.
    (since,) = set(lists[1:])
    assert since >= max(await completions(app, first)) - BRIEF


async def test_one_whose_output_fails_for_long_does_not_make_every_list_longer(app, lists, monkeypatch):
    quick = with_command(app, "/bin/true")
    stuck = (await submitted(quick, "stuck.txt")).task_id
    monkeypatch.setattr("batch_core.collect._LATELY", timedelta(0))
    read = app.files.read_small

    async def failing(file, most, more):
        if file.task_id == stuck:
            raise Unavailable("reading", detail="the node is away")
        return await read(file, most, more)

    monkeypatch.setattr(app.files, "read_small", failing)
    await completed(app, [stuck])
    other = (await submitted(quick, "other.txt")).task_id
    await completed(app, [other])
    await collect(app)
    await collect(app)
    assert lists[1] >= (await completions(app, [other]))[0] - BRIEF
    assert (await record_of(app, stuck)).state is TaskState.SUBMITTED
    # It is looked for when all since the watermark is.
    monkeypatch.setattr(app.files, "read_small", read)
    await collect(later(app, seconds=60))
    assert (await record_of(app, stuck)).state is TaskState.SUCCEEDED


async def completions(app, task_ids):
    (job,) = await app.registry.jobs()
    pages = [page async for page in app.batch.completed_tasks(job.job_id, None)]
    return [moment for page in pages for task_id, moment in page.completed_at.items() if task_id in task_ids]


async def test_a_completion_that_no_list_showed_for_a_while_is_collected(app, monkeypatch):
    """Batch's lists may lag behind: one task is missing in them until a minute has passed."""
    quick = with_command(app, "/bin/true")
    late, other = (await submitted(quick, "late.txt")).task_id, (await submitted(quick, "other.txt")).task_id
    await completed(app, [late, other])
    listing = app.batch.completed_tasks
    hidden = {late}

    async def lagging(job_id, since):
        async for page in listing(job_id, since):
            for task_id in hidden & page.completed_at.keys():
                del page.completed_at[task_id]
                del page._tasks[task_id]
            yield page

    monkeypatch.setattr(app.batch, "completed_tasks", lagging)
    await collect(app)
    # Many completions later, so that the time of the late one is long past for a brief look.
    for _ in range(3):
        await collect(later(app, seconds=20))
    assert (await record_of(app, late)).state is TaskState.SUBMITTED
    hidden.clear()
    await collect(later(app, seconds=80))
    assert (await record_of(app, late)).state is TaskState.SUCCEEDED


async def test_what_reconcile_finds_further_back_is_collected_by_the_next_tick(app, monkeypatch):
    """The record may be newer than the end of the task: the table was lost, say, and the file was found again."""
    quick = with_command(app, "/bin/true")
    early, other = (await submitted(quick, "early.txt")).task_id, (await submitted(quick, "other.txt")).task_id
    await completed(app, [early, other])
    (ended,) = await completions(app, [early])
    open_among = app.table.open_among

    async def without_early(task_ids):
        return {task_id: one for task_id, one in (await open_among(task_ids)).items() if task_id != early}

    monkeypatch.setattr(app.table, "open_among", without_early)
    (job,) = await app.registry.jobs()
    await collect(app)
    monkeypatch.undo()
    app.lookbacks.note_some(job, until=ended + BRIEF + timedelta(seconds=1))
    await collect(app)
    assert (await record_of(app, early)).state is TaskState.SUBMITTED
    await reconcile(later(app, minutes=5))
    await collect(app)
    assert (await record_of(app, early)).state is TaskState.SUCCEEDED


def test_a_task_that_brief_lists_reach_changes_nothing():
    seen = Lookbacks()
    seen.note_all(JOB, JOB.watermark, NOW, until=NOW)
    seen.look_for(JOB, NOW - BRIEF)
    assert seen.since(JOB, NOW) == NOW - BRIEF
    seen.look_for(JOB, NOW - BRIEF - timedelta(seconds=1))
    assert seen.since(JOB, NOW) == JOB.watermark
    seen.look_for(JOB, NOW - timedelta(hours=1))


def test_only_a_look_from_the_watermark_on_may_move_it():
    seen = Lookbacks()
    assert seen.since(JOB, NOW) == JOB.watermark
    moved = replace(JOB, watermark=NOW - OVERLAP)
    seen.note_all(JOB, moved.watermark, NOW, until=NOW)
    assert seen.since(moved, NOW + timedelta(seconds=2)) == NOW - BRIEF
    seen.note_some(moved, until=NOW + timedelta(seconds=30))
    assert seen.since(moved, NOW + timedelta(seconds=40)) == NOW + timedelta(seconds=30) - BRIEF
    assert seen.since(moved, NOW + EVERY) == moved.watermark


@pytest.mark.parametrize("watermark", [None, NOW - timedelta(hours=2), NOW])
def test_a_watermark_that_somebody_else_has_moved_counts(watermark):
    seen = Lookbacks()
    seen.note_all(JOB, JOB.watermark, NOW, until=NOW)
    assert seen.since(replace(JOB, watermark=watermark), NOW) == watermark


def test_a_clock_that_was_set_back_makes_it_look_back_all_the_way():
    seen = Lookbacks()
    seen.note_all(JOB, JOB.watermark, NOW, until=NOW)
    assert seen.since(JOB, NOW - timedelta(minutes=5)) == JOB.watermark


def test_what_is_left_is_looked_back_to_even_where_its_time_is_not_known():
    seen = Lookbacks()
    everything = replace(JOB, watermark=None)
    seen.note_all(everything, None, NOW, until=datetime.min.replace(tzinfo=UTC))
    assert seen.since(everything, NOW).year < 1971


def test_jobs_that_are_gone_are_forgotten():
    seen = Lookbacks()
    seen.note_all(JOB, JOB.watermark, NOW, until=NOW)
    seen.keep_only([])
    assert seen.since(JOB, NOW) == JOB.watermark
