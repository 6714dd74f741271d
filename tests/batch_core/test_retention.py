"""What has ended long ago is forgotten, and no file runs a second time because its record is gone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core import retention as retention_module
from batch_core.app import App, app_on
from batch_core.config.settings import RetentionSettings
from batch_core.errors import OutOfTime, RecordNotFound, Unavailable
from batch_core.intake import take, take_by_hand
from batch_core.listing import TaskQuery, list_tasks
from batch_core.naming import FILES_FOLDER, output_name, table_keys, task_id
from batch_core.poison import take_poison
from batch_core.reconcile import reconcile
from batch_core.retention import forget_old
from batch_core.retry import retry
from batch_core.state.changes import Closing
from batch_core.state.record import Outcome, TaskState
from batch_core.state.retention import RetentionMark
from batch_core.state.sweep_checkpoint import SweepPosition
from batch_core.sweep import missing_files, sweep
from batch_core.tidy import TidyReport, tidy
from batch_core.time_budget import TimeBudget
from tests.batch_core.cuts import Cut, End
from tests.batch_core.steps import (
    collected,
    dropped,
    later,
    outputs,
    passed,
    record_of,
    recorded_only,
    submitted,
    tasks_of,
    with_command,
)

DAYS = timedelta(days=1)
LONG = 10 * DAYS


def keeping(app: App, *, records: timedelta | None = None, outputs: timedelta | None = None) -> App:
    return replace(app, settings=replace(app.settings, retention=RetentionSettings(records=records, outputs=outputs)))


async def time_goes_by(app: App, days: int, *, of: int = 0) -> App:
    """Let the ticks of each day run; returns the app as it is then."""
    for day in range(of, days + 1):
        app_then = passed(app, days=day)
        await sweep(app_then)
        await reconcile(app_then)
        await tidy(app_then)
    return passed(app, days=days)


async def rows_of(app: App) -> set[tuple[str, str]]:
    table = app.clients.tables.get_table_client(app.settings.table_name)
    kept = {"retention", "sweep", "jobs", "days"}
    rows = [(one["PartitionKey"], one["RowKey"]) async for one in table.list_entities()]
    return {(partition, row) for partition, row in rows if partition not in kept and row != "whole"}


async def done(app: App, name: str = "a.txt"):
    return await collected(app, (await submitted(app, name)).task_id)


async def test_nothing_is_forgotten_unless_the_settings_say_so(app, calls):
    record = await done(app)
    then = await time_goes_by(app, 400, of=399)
    assert await record_of(then, record.task_id) == record
    assert {name.rpartition("/")[2] for name in await outputs(app)} == {"stdout.txt"}
    assert not [call for call in calls if "retention" in call.path]


async def test_records_go_with_what_is_kept_beside_them_when_their_day_has_ended_long_ago(app):
    kept = keeping(app, records=LONG)
    record = await done(kept)
    await time_goes_by(kept, 10)
    assert await record_of(app, record.task_id) == record
    then = await time_goes_by(kept, 13, of=11)
    with pytest.raises(RecordNotFound):
        await app.table.get(record.task_id)
    assert (await list_tasks(then, TaskQuery())).records == []
    assert await app.history.days(None, 9) == []
    # Not the output, for which nothing was said.
    assert await outputs(app) == [record.stdout]
    assert {row for partition, row in await rows_of(app) if partition != "statistics"} == set()
    assert not [row for partition, row in await rows_of(app) if row.startswith("day-")]


async def test_no_file_whose_record_is_gone_is_taken_by_itself_whatever_comes(app):
    kept = keeping(app, records=LONG)
    version = await dropped(app, "a.txt")
    await collected(kept, (await submitted(kept, "a.txt")).task_id)
    version = await app.inputs.version_of("a.txt")
    then = await time_goes_by(kept, 13)
    with pytest.raises(RecordNotFound):
        await app.table.get(task_id(version))
    ran = await tasks_of(app)
    for settings in (RetentionSettings(records=LONG, outputs=None), RetentionSettings(records=None, outputs=None)):
        # A process of today, one with another setting; the event again, the host's last word, and every sweep.
        other = passed(app_on(app.clients, replace(app.settings, retention=settings)), days=13)
        await take(other, version.container, version.name)
        message = f'{{"ContainerName": "{version.container}", "BlobName": "a.txt"}}'
        await take_poison(other, message.encode())
        assert (await sweep(other)).submitted == 0
        assert (await sweep(other, is_all=True)).forgotten == 1
        assert [some async for some in missing_files(other, is_all=True)] == [[]]
        await other.sweep_checkpoint.save(SweepPosition())
        assert (await sweep(other)).submitted == 0
    longer = passed(keeping(app, records=400 * DAYS), days=13)
    assert (await sweep(longer, is_all=True)).submitted == 0
    assert await tasks_of(app) == ran
    # A person can have it once more.
    submission = await take_by_hand(then, "a.txt", is_forced=False)
    assert (submission.is_new, submission.record.state) == (True, TaskState.SUBMITTED)


async def test_a_file_that_is_new_is_taken_as_ever(app, calls):
    kept = keeping(app, records=LONG)
    await done(kept)
    await time_goes_by(kept, 13)
    # Time has passed for the app alone: to Storage, the file is of today. So is the mark.
    mark = await app.retention.mark()
    await app.retention.move(replace(mark, left_alone=app.now() - DAYS))
    await dropped(app, "new.txt")
    calls.clear()
    assert (await sweep(later(kept, minutes=5), is_all=True)).submitted == 2, (
        "and the other is of the mark's other side"
    )
    assert not [call for call in calls if "retention" in call.path], "who is young is not asked about"


async def test_the_mark_never_passes_what_a_complete_sweep_has_seen(app):
    kept = keeping(app, records=LONG)
    version = await dropped(app, "unseen.txt")
    for days in (20, 21, 22, 40):
        await tidy(passed(kept, days=days))
    assert await app.retention.mark() == RetentionMark()
    await app.sweep_checkpoint.save(
        SweepPosition(container=app.settings.input_container, swept_until=version.last_modified)
    )
    for days in (41, 43, 45):
        await tidy(passed(kept, days=days))
    assert (await app.retention.mark()).left_alone == version.last_modified
    # Its event never came, and its turn comes all the same.
    assert (await sweep(passed(kept, days=46))).submitted == 1


async def test_a_mark_moves_once_a_day_and_records_go_a_day_after_it(app):
    kept = keeping(app, records=LONG)
    await done(kept)
    first = await time_goes_by(kept, 20, of=20)
    mark = await app.retention.mark()
    assert (mark.left_alone is not None, mark.removable) == (True, None)
    assert len((await list_tasks(first, TaskQuery())).records) == 1
    await tidy(passed(kept, days=20, hours=23))
    assert await app.retention.mark() == mark
    await tidy(passed(kept, days=21, hours=1))
    moved = await app.retention.mark()
    assert moved.removable == mark.left_alone
    assert moved.left_alone >= mark.left_alone
    assert (await list_tasks(first, TaskQuery())).records == []


@pytest.mark.parametrize("hours", [-72, 72])
async def test_a_clock_that_is_wrong_by_days_forgets_nothing_too_early(app, hours):
    kept = keeping(app, records=2 * DAYS)
    record = await done(kept)
    for ahead in (0, 25, 50, 75):
        wrong = later(kept, hours=hours + ahead)
        await sweep(wrong)
        await reconcile(wrong)
        await tidy(wrong)
    assert await record_of(app, record.task_id) == record


async def test_open_work_keeps_its_day(app):
    kept = keeping(app, records=LONG, outputs=LONG)
    record = await done(kept)
    await submitted(with_command(kept, "/bin/sleep 600"), "open.txt")
    await time_goes_by(kept, 14)
    assert await record_of(app, record.task_id) == record
    assert record.stdout in await outputs(app)


async def test_a_record_that_ended_lately_keeps_its_day_however_old_its_file_is(app):
    kept = keeping(app, records=LONG)
    old = replace(await dropped(app, "old.txt"), last_modified=app.now() - 50 * DAYS)
    stored = await recorded_only(app, old)
    await app.table.close([Closing.of(stored, Outcome(state=TaskState.CANCELLED))], app.now())
    await time_goes_by(kept, 9)
    assert (await record_of(app, stored.record.task_id)).state is TaskState.CANCELLED
    await time_goes_by(kept, 13, of=10)
    with pytest.raises(RecordNotFound):
        await app.table.get(stored.record.task_id)


async def test_outputs_go_before_their_records_and_nothing_else_does(app):
    kept = keeping(app, outputs=LONG)
    record = await done(with_command(kept, "/bin/bash -c 'echo out; echo err >&2'"))
    folder = record.stdout.rpartition("/")[0]
    others = ["foreign.txt", f"{folder}/notes.txt", f"{folder}x/stdout.txt", "a.txt/other/stdout.txt"]
    for name in others:
        await app.outputs.write(name, b"x")
    then = await time_goes_by(kept, 12)
    assert sorted(await outputs(app)) == sorted(others)
    assert await record_of(then, record.task_id) == record
    (day,) = await app.history.past_days("99999999")
    assert day.is_without_outputs


async def test_files_that_a_node_uploaded_go_but_for_outputs_of_files_that_are_called_so(app):
    kept = keeping(app, outputs=LONG)
    record = await done(kept)
    table = app.clients.tables.get_table_client(app.settings.table_name)
    keys = table_keys(record.task_id)
    files = output_name(record.blob, record.task_id, FILES_FOLDER) + "/"
    await table.update_entity({"PartitionKey": keys.partition, "RowKey": keys.row, "files": files})
    await app.outputs.write(f"{files}made.png", b"x")
    await app.outputs.write(f"{files}deep/er.png", b"x")
    # The output of a task whose file is called like that one's.
    others = output_name(f"{files}made.png", task_id(await app.inputs.version_of("a.txt"), 2), "stdout.txt")
    await app.outputs.write(others, b"x")
    await time_goes_by(kept, 12)
    assert await outputs(app) == [others]


class FewChecks(TimeBudget):
    """A budget that is spent when it is looked at so many times."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self._left = checks

    def check(self) -> None:
        self._left -= 1
        if not self._left:
            raise OutOfTime("the tick's time is spent")


async def test_outputs_go_on_where_a_tick_ended(app, monkeypatch, calls):
    monkeypatch.setattr(retention_module, "_PER_PAGE", 1)
    for name in ("a.txt", "b.txt", "c.txt"):
        await done(app, name)
    await time_goes_by(app, 12)
    then = passed(keeping(app, outputs=LONG), days=13)
    calls.clear()
    # Before the day, in the look for its last end, after the first page.
    assert not (await forget_old(then, FewChecks(3))).is_complete
    assert len(await outputs(app)) == 2
    assert (await forget_old(then, TimeBudget())).is_complete
    assert await outputs(app) == []
    assert len([call for call in calls if call.method == "DELETE"]) == 6, "none is tried twice"


async def test_a_dry_run_names_the_days_and_changes_nothing(app, calls):
    kept = keeping(app, records=LONG, outputs=5 * DAYS)
    record = await done(kept)
    day = table_keys(record.task_id).partition
    await time_goes_by(app, 12)
    await app.retention.move(RetentionMark(left_alone=app.now() + 5 * DAYS, left_alone_since=app.now()))
    then = passed(kept, days=13)
    calls.clear()
    report = await tidy(then, is_dry_run=True)
    assert (report.outputs_of, report.records_of) == ([day], [day])
    assert {call.method for call in calls} <= {"GET", "HEAD"}
    assert await record_of(app, record.task_id) == record


async def test_a_retry_during_the_removal_is_not_lost(app, monkeypatch):
    kept = keeping(app, records=LONG)
    record = await collected(kept, (await submitted(with_command(kept, "/bin/false"))).task_id)
    then = await time_goes_by(kept, 11)
    then = passed(kept, days=13)
    finals, retried = then.retention.finals, []

    async def overtaken(day):
        async for page in finals(day):
            if not retried:
                retried.append(await retry(with_command(then, "/bin/true"), record.task_id))
            yield page

    monkeypatch.setattr(then.retention, "finals", overtaken)
    await tidy(then)
    (submission,) = retried
    # The first attempt has changed since it was read, the second is open, and the day is still listed.
    assert (await record_of(app, record.task_id)).retried_as == submission.record.task_id
    assert (await record_of(app, submission.record.task_id)).state is TaskState.SUBMITTED
    assert await app.history.days(None, 9) == [table_keys(record.task_id).partition]


async def test_an_output_that_cannot_be_deleted_holds_up_no_other(app, monkeypatch):
    kept = keeping(app, outputs=LONG)
    first, second = await done(kept, "a.txt"), await done(kept, "b.txt")
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, first.stdout)
    lease = await blob.acquire_lease()
    await time_goes_by(kept, 12)
    assert await outputs(app) == [first.stdout]
    assert second.stdout not in await outputs(app)
    await lease.break_lease()


async def test_trouble_of_a_service_leaves_it_for_the_next_tick(app, monkeypatch):
    kept = keeping(app, outputs=LONG)
    await done(kept)
    await time_goes_by(keeping(app), 12)
    then = passed(kept, days=13)

    async def fails(_name):
        raise Unavailable("deleting", status=503)

    with monkeypatch.context() as patch:
        patch.setattr(then.outputs, "delete", fails)
        assert not (await tidy(then)).is_complete
    assert len(await outputs(app)) == 1
    assert (await tidy(then)).is_complete
    assert await outputs(app) == []


async def test_old_days_that_are_not_due_cost_a_tick_five_calls(app, calls):
    kept = keeping(app, records=400 * DAYS, outputs=300 * DAYS)
    await done(kept)
    then = await time_goes_by(kept, 310)
    calls.clear()
    await forget_old(then, TimeBudget())
    # Storage's clock, the mark, the days with records, those with open work and those with unsent events.
    assert [(call.service, call.method) for call in calls] == [("blob", "GET"), *[("table", "GET")] * 4]
    assert await tidy(then) == TidyReport()


@pytest.mark.slow
async def test_a_removal_that_is_cut_short_at_any_call_is_finished_and_runs_nothing_again(make_world):
    async def forgotten(cut: Cut) -> None:
        world = await make_world()
        world.app = keeping(world.app, records=LONG, outputs=5 * DAYS)
        await world.drop("good.txt")
        await world.drop("bad.txt", exit_code=3)
        await world.settle()
        await time_goes_by(keeping(world.app, records=400 * DAYS), 12, of=12)
        tasks = sorted(await world.records())
        settings = world.app.settings
        for day in (13, 15, 17):
            await world.do(lambda app, day=day: tidy(passed(app, days=day)), cut if day == 15 else None)
            world.app = app_on(world.app.clients, settings)
        await time_goes_by(world.app, 25, of=19)
        then = passed(world.app, days=25)
        assert (await list_tasks(then, TaskQuery())).records == []
        assert await world.app.history.days(None, 9) == []
        assert await outputs(world.app) == []
        assert (await sweep(then, is_all=True)).submitted == 0
        # The jobs of then are deleted, and no other has been made.
        assert await tasks_of(world.app) == []
        assert [len(world._runs(task)) for task in tasks] == [1, 1]

    whole = Cut(at=0, is_after=False, end=End.CRASH)
    await forgotten(whole)
    for number in range(1, whole.made + 1):
        await forgotten(Cut(at=number, is_after=False, end=End.CRASH))
