"""Final states are announced on a queue: at least once, when a record is closed or by a later tick."""

import asyncio
import itertools
import json
import logging
import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from batch_core import announce as announce_module
from batch_core.announce import LEFT_BEHIND
from batch_core.app import App, app_on
from batch_core.bookkeeping import after_closing
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.config.settings import RetentionSettings
from batch_core.errors import Unavailable
from batch_core.http.health import check_health
from batch_core.naming import table_keys
from batch_core.reconcile import reconcile
from batch_core.retention import forget_old
from batch_core.state.changes import Change, Closing
from batch_core.state.outbox import end_entity
from batch_core.state.record import Outcome, TaskState
from batch_core.state.retention import RetentionMark
from batch_core.state.table import DAY_PATIENCE
from batch_core.time_budget import TimeBudget
from tests.batch_core.events import events_of, unsent
from tests.batch_core.steps import (
    completed,
    dropped,
    later,
    passed,
    record_of,
    recorded_only,
    submitted,
    with_command,
)

pytestmark = pytest.mark.usefixtures("events_queue")


def quiet(app: App) -> App:
    """Return the app as it is where the settings name no queue."""
    return app_on(replace(app.clients, queue=None), replace(app.settings, events_queue=""))


def much_later(app: App) -> App:
    return later(app, seconds=LEFT_BEHIND.total_seconds() + 60)


async def recorded(app: App, number: int):
    return [await recorded_only(app, await dropped(app, f"{one}.txt")) for one in range(number)]


async def closed(app: App, stored, state=TaskState.CANCELLED, reason="because"):
    await app.table.close([Closing.of(one, Outcome(state=state, reason=reason)) for one in stored], app.now())


async def events_check(app: App):
    return next((check for check in await check_health(app) if check.name == "events"), None)


async def test_a_task_that_has_ended_is_announced_as_its_record_says(app):
    record = await submitted(with_command(app, "/bin/bash -c 'echo out; echo err >&2; exit 3'"), "grün/ä b.txt")
    await completed(app, [record.task_id])
    await collect(app)
    record = await record_of(app, record.task_id)
    (event,) = await events_of(app)
    moment = record.closed_at.isoformat().replace("+00:00", "Z")
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": f"{record.task_id}@{moment}",
        "source": app.mark,
        "type": "batchdrop.task.failed",
        "subject": "grün/ä b.txt",
        "time": moment,
        "datacontenttype": "application/json",
    }
    same = ("task_id", "blob", "container", "state", "reason", "route", "attempt", "exit_code", "node_id")
    same += ("failure_category", "failure_code", "stdout", "stdout_size", "stderr", "stderr_size", "files")
    assert {name: data[name] for name in same} == {name: getattr(record, name) for name in same}
    assert (data["exit_code"], data["stdout_size"], data["stderr_size"]) == (3, 4, 4)
    assert data["output_container"] == app.settings.output_container
    assert data["closed_at"] == moment
    assert await unsent(app) == []


async def test_the_documents_command_shows_what_arrives_on_this_machine(storage_app):
    await closed(storage_app, await recorded(storage_app, 2))
    await after_closing(storage_app)
    root = Path(__file__).parents[2]
    page = (root / "docs/operations.md").read_text()
    (code,) = re.findall(r"-c '\n(from azure\.storage\.queue .+?)'\n```", page, re.DOTALL)
    assert code.count("UseDevelopmentStorage=true") == code.count('"events"') == 1
    code = code.replace("UseDevelopmentStorage=true", storage_app.settings.storage.connection_string)
    code = code.replace('"events"', repr(storage_app.queue.name))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=root, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert [json.loads(line)["subject"] for line in sorted(printed.splitlines())] == ["0.txt", "1.txt"]
    assert len(await events_of(storage_app)) == 2, "nothing was taken"


async def test_many_ends_cost_a_call_each_and_one_to_the_table_for_a_hundred(storage_app, calls):
    stored = await recorded(storage_app, 60)
    await closed(storage_app, stored)
    calls.clear()
    await after_closing(replace(storage_app, tally=type(storage_app.tally)()))
    assert [(call.service, call.method) for call in calls] == [("queue", "POST")] * 60 + [("table", "POST")]
    events = await events_of(storage_app)
    assert {one["data"]["task_id"] for one in events} == {one.record.task_id for one in stored}
    assert len(events) == 60


async def test_a_final_state_costs_no_further_call(storage_app, calls):
    stored = await recorded(storage_app, 10)
    calls.clear()
    await closed(storage_app, stored)
    assert [(call.service, call.method) for call in calls] == [("table", "POST")]


async def test_without_the_setting_not_one_call_and_not_one_entity_is_more(storage_app, calls):
    app = quiet(storage_app)
    stored = await recorded(app, 3)
    calls.clear()
    await closed(app, stored)
    assert [(call.service, call.method) for call in calls] == [("table", "POST")]
    await after_closing(app)
    await reconcile(much_later(app))
    await reconcile(later(app, seconds=DAY_PATIENCE.total_seconds() + 60))
    assert {call.service for call in calls if "event" in call.path or call.service == "queue"} == set()
    table = app.clients.tables.get_table_client(app.settings.table_name)
    rows = [(one["PartitionKey"], one["RowKey"]) async for one in table.list_entities()]
    assert [row for row in rows if "event" in row[1] or row[0] == "unsent"] == []


async def test_what_a_process_left_behind_when_it_ended_is_sent_by_a_later_tick(storage_app):
    await closed(storage_app, await recorded(storage_app, 3))
    restarted = app_on(storage_app.clients, storage_app.settings)
    assert (await reconcile(restarted)).done["events_sent"] == 0, "who closed them may be about to send them"
    report = await reconcile(much_later(restarted))
    assert (report.done["events_sent"], report.is_complete) == (3, True)
    assert len(await events_of(storage_app)) == 3
    assert await unsent(storage_app) == []
    assert (await reconcile(much_later(restarted))).done["events_sent"] == 0


async def test_what_was_sent_and_not_removed_is_sent_again_with_the_same_id(storage_app, monkeypatch):
    await closed(storage_app, await recorded(storage_app, 2))

    async def fails(ends):
        raise Unavailable("removing")

    with monkeypatch.context() as patch:
        patch.setattr(storage_app.outbox, "remove", fails)
        await after_closing(storage_app)
    first = await events_of(storage_app)
    await reconcile(much_later(storage_app))
    again = await events_of(storage_app)
    assert len(first) == 2
    assert sorted(one["id"] for one in first) == sorted(one["id"] for one in again)


async def test_an_end_that_has_waited_in_memory_is_left_to_the_tick_which_may_have_sent_it(storage_app):
    await closed(storage_app, await recorded(storage_app, 1))
    await after_closing(later(storage_app, minutes=2))
    assert await events_of(storage_app) == []
    assert len(await unsent(storage_app)) == 1


async def test_ticks_that_overlap_lose_nothing(storage_app):
    await closed(storage_app, await recorded(storage_app, 5))
    apps = [much_later(app_on(storage_app.clients, storage_app.settings)) for _ in range(3)]
    await asyncio.gather(*(reconcile(app) for app in apps))
    assert len({one["id"] for one in await events_of(storage_app)}) == 5
    assert await unsent(storage_app) == []


async def test_a_queue_that_is_deleted_holds_up_no_end_and_gets_all_when_it_is_made_again(app, pauses, calls):
    await app.queue.delete()
    record = await submitted(app)
    await completed(app, [record.task_id])
    assert (await collect(app)).states == {TaskState.SUCCEEDED: 1}
    other = await recorded(app, 40)
    calls.clear()
    await closed(app, other)
    await after_closing(app)
    assert [call for call in calls if call.service == "queue"] == [], "it has just been asked"
    report = await reconcile(much_later(app))
    assert not report.is_complete
    assert len([call for call in calls if call.service == "queue"]) == 1, "one event shows that none can be sent"
    check = await events_check(later(app, hours=1))
    assert not check.is_ok
    assert "HTTP 404, QueueNotFound" in check.detail
    assert "`batchdrop setup` makes it" in check.detail
    await app.queue.create()
    # Azurite takes an event in 10 ms; what the seconds of a busy machine do not suffice for, the next tick sends.
    async with asyncio.timeout(60):
        while await unsent(app):
            await reconcile(much_later(app))
    assert {one["data"]["task_id"] for one in await events_of(app)} == {
        record.task_id,
        *(one.record.task_id for one in other),
    }
    assert (await events_check(later(app, hours=1))).is_ok


@pytest.mark.parametrize("kind", ["throttled", "silent"])
async def test_a_queue_that_takes_some_gets_the_rest_later(storage_app, monkeypatch, kind):
    stored = await recorded(storage_app, 30)
    send, numbers = storage_app.queue.send, itertools.count()

    async def takes_ten(text):
        if next(numbers) >= 10:
            if kind == "silent":
                await asyncio.sleep(60)
            raise Unavailable("sending", status=503, code="ServerBusy", detail="the server is busy")
        await send(text)

    monkeypatch.setattr(announce_module, "_PROMPT_SECONDS", 3.0)
    with monkeypatch.context() as patch:
        patch.setattr(storage_app.queue, "send", takes_ten)
        await closed(storage_app, stored)
        await after_closing(storage_app)
    assert len(await unsent(storage_app)) == 20
    word = "busy" if kind == "throttled" else "within 3 seconds"
    assert word in storage_app.just_ended.trouble
    assert (await reconcile(much_later(storage_app))).done["events_sent"] == 20
    events = await events_of(storage_app)
    assert len(events) == len({one["id"] for one in events}) == 30
    assert storage_app.just_ended.trouble is None


async def test_an_event_that_the_queue_refuses_keeps_no_other_from_being_sent(storage_app, monkeypatch, caplog):
    stored = await recorded(storage_app, 5)
    await closed(storage_app, stored[:1], reason="x" * 100_000)
    await closed(storage_app, stored[1:])
    message = announce_module._Sending._message

    async def too_long_for_one(self, end):
        return await message(self, end) + ("x" * 100_000 if end.task_id == stored[0].record.task_id else "")

    monkeypatch.setattr(announce_module._Sending, "_message", too_long_for_one)
    await after_closing(storage_app)
    assert [end.task_id for end in await unsent(storage_app)] == [stored[0].record.task_id]
    assert f"The event of task {stored[0].record.task_id} is refused" in caplog.text
    monkeypatch.setattr(announce_module._Sending, "_message", message)
    await reconcile(much_later(storage_app))
    assert await unsent(storage_app) == []


async def test_an_end_that_makes_no_event_keeps_no_other_from_being_sent(storage_app, caplog):
    first, second = await recorded(storage_app, 2)
    await closed(storage_app, [first], reason="Batch said \ud83d.")
    await closed(storage_app, [second])
    # As a damaged entity may be read.
    storage_app.just_ended.note([replace((await unsent(storage_app))[0], task_id="20261123T080102-no-task-id")])
    await after_closing(storage_app)
    events = {one["data"]["task_id"]: one["data"]["reason"] for one in await events_of(storage_app)}
    assert events == {first.record.task_id: "Batch said \ufffd.", second.record.task_id: "because"}
    assert "The event of task 20261123T080102-no-task-id is refused" in caplog.text


async def test_a_tick_out_of_time_leaves_the_rest_for_the_next(storage_app, monkeypatch):
    monkeypatch.setattr(announce_module, "_TOGETHER", 2)
    await closed(storage_app, await recorded(storage_app, 5))
    app = much_later(app_on(storage_app.clients, storage_app.settings))
    report = await reconcile(app, budget=timedelta(0))
    assert (report.done["events_sent"], report.is_complete) == (0, False)
    assert (await reconcile(app)).done["events_sent"] == 5


async def test_a_day_with_unsent_events_alone_costs_those_who_read_open_work_nothing_and_is_found(storage_app, calls):
    await closed(storage_app, await recorded(storage_app, 2))
    (day,) = await storage_app.table.days()
    await storage_app.queue.delete()
    past = later(app_on(storage_app.clients, storage_app.settings), seconds=DAY_PATIENCE.total_seconds() + 60)
    await reconcile(past)
    assert await storage_app.table.days() == []
    assert list(await storage_app.outbox.days()) == [day]
    calls.clear()
    await reconcile(past)
    assert [(call.service, call.method) for call in calls] == [
        *[("table", "GET")] * 2,  # the days with open work, and the selections
        *[("table", "GET")] * 2,  # the days with unsent events, and the first of these
        ("queue", "POST"),
    ]
    await storage_app.queue.create()
    assert (await reconcile(past)).done["events_sent"] == 2
    assert await storage_app.outbox.days() == {}
    assert len(await events_of(storage_app)) == 2


async def test_a_day_is_not_taken_off_the_list_that_was_listed_again_meanwhile(storage_app):
    await closed(storage_app, await recorded(storage_app, 1))
    (day,) = await storage_app.table.days()
    past = later(storage_app, seconds=DAY_PATIENCE.total_seconds() + 60)
    await storage_app.table.forget_day(day, past.now())
    etag = (await storage_app.outbox.days())[day]
    # Work of that day came, ended, and its event was not sent either.
    await storage_app.table.note_day(day)
    await storage_app.table.forget_day(day, later(past, hours=5).now())
    await storage_app.outbox.forget_day(day, etag)
    assert day in await storage_app.outbox.days()


async def test_a_setting_that_is_switched_off_leaves_what_is_unsent_and_on_again_sends_it(storage_app):
    first, second, third = await recorded(storage_app, 3)
    await closed(storage_app, [first])
    off = quiet(storage_app)
    await closed(off, [second])
    assert not (await reconcile(much_later(off))).done["events_sent"]
    assert await events_check(off) is None
    on = app_on(storage_app.clients, storage_app.settings)
    await closed(on, [third])
    await reconcile(much_later(on))
    # What ended while nobody wanted events has none.
    assert {one["data"]["task_id"] for one in await events_of(on)} == {first.record.task_id, third.record.task_id}


async def test_setup_finds_days_whose_unsent_events_a_release_without_events_has_forgotten(storage_app):
    await closed(storage_app, await recorded(storage_app, 1))
    off = quiet(storage_app)
    (day,) = await off.table.days()
    past = later(off, seconds=DAY_PATIENCE.total_seconds() + 60)
    assert await off.table.forget_day(day, past.now())
    assert await unsent(storage_app) == []
    assert await storage_app.table.unnoted_days() == [day]
    await storage_app.table.note_day(day)
    await reconcile(much_later(app_on(storage_app.clients, storage_app.settings)))
    assert len(await events_of(storage_app)) == 1
    assert await storage_app.table.unnoted_days() == []


async def test_what_an_earlier_release_recorded_is_announced_with_what_its_record_says(storage_app):
    (stored,) = await recorded(storage_app, 1)
    table = storage_app.clients.tables.get_table_client(storage_app.settings.table_name)
    (entity,) = [one async for one in table.list_entities() if one["RowKey"].startswith("open-")]
    del entity["container"]
    await table.update_entity(entity, mode="replace")
    (task,) = (await storage_app.table.open_among([stored.record.task_id])).values()
    await storage_app.table.close([Closing.of_open(task, Outcome(state=TaskState.FAILED))], storage_app.now())
    await after_closing(storage_app)
    (event,) = await events_of(storage_app)
    assert event["data"]["container"] == storage_app.settings.input_container


async def test_an_end_of_an_earlier_life_of_the_record_does_not_keep_it_open(storage_app):
    (stored,) = await recorded(storage_app, 1)
    table = storage_app.clients.tables.get_table_client(storage_app.settings.table_name)
    await closed(storage_app, [stored])
    old = (await unsent(storage_app))[0]
    keys = table_keys(old.task_id)
    await table.delete_entity(keys.partition, keys.row)
    (again,) = await storage_app.table.insert([stored.record])
    await closed(storage_app, [again], reason="again")
    assert [end.reason for end in await unsent(storage_app)] == ["again"]
    assert (await record_of(storage_app, stored.record.task_id)).state is TaskState.CANCELLED


async def test_an_end_that_cannot_be_read_keeps_no_other_from_being_sent(storage_app):
    first, second = await recorded(storage_app, 2)
    await closed(storage_app, [first, second])
    damaged = end_entity((await unsent(storage_app))[0]) | {"state": "finished"}
    await storage_app.clients.tables.get_table_client(storage_app.settings.table_name).upsert_entity(damaged)
    restarted = app_on(storage_app.clients, storage_app.settings)
    assert (await reconcile(much_later(restarted))).done["events_sent"] == 1


async def test_a_cancellation_that_ends_a_task_announces_it_before_it_is_answered(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    (stored,) = await app.table.update([Change(stored, replace(stored.record, job_id=""))])
    assert (await cancel(app, stored.record.task_id)).state is TaskState.CANCELLED
    assert [one["type"] for one in await events_of(app)] == ["batchdrop.task.cancelled"]


async def test_events_are_no_records_and_no_open_work(storage_app):
    stored = await recorded(storage_app, 2)
    await closed(storage_app, stored[:1])
    (day,) = await storage_app.table.days()
    assert [task.task_id for task in await storage_app.table.some_open_work(day)] == [stored[1].record.task_id]
    assert (await storage_app.listing.final_states(day)) == {"settings": {"cancelled": 1}}
    assert {one.task_id async for page in storage_app.outbox.unsent(day) for one in page} == {stored[0].record.task_id}


async def test_a_day_with_unsent_events_is_not_forgotten_before_they_are_sent(storage_app):
    await closed(storage_app, await recorded(storage_app, 2))
    (day,) = await storage_app.table.days()
    await storage_app.queue.delete()
    keeping = RetentionSettings(records=timedelta(days=10), outputs=None)
    app = app_on(storage_app.clients, replace(storage_app.settings, retention=keeping))
    await app.retention.move(RetentionMark(left_alone=app.now() + timedelta(days=5), left_alone_since=app.now()))
    for days in (1, 20, 21):
        await reconcile(passed(app, days=days))
        await forget_old(passed(app, days=days), TimeBudget())
    assert len(await unsent(app)) == 2
    assert await app.history.days(None, 9) == [day]
    await app.queue.create()
    await reconcile(passed(app_on(app.clients, app.settings), days=22))
    await forget_old(passed(app, days=23), TimeBudget())
    assert await app.history.days(None, 9) == []
    assert len(await events_of(app)) == 2


async def test_unsent_events_hold_no_record_back_when_nobody_wants_events_any_more(storage_app, caplog):
    caplog.set_level(logging.INFO, logger="batch_core")
    await closed(storage_app, await recorded(storage_app, 2))
    (day,) = await storage_app.table.days()
    past = later(app_on(storage_app.clients, storage_app.settings), seconds=DAY_PATIENCE.total_seconds() + 60)
    await past.table.forget_day(day, past.now())
    assert list(await storage_app.outbox.days()) == [day]
    keeping = RetentionSettings(records=timedelta(days=10), outputs=None)
    app = quiet(replace(storage_app, settings=replace(storage_app.settings, retention=keeping)))
    await app.retention.move(RetentionMark(left_alone=app.now() + timedelta(days=5), left_alone_since=app.now()))
    await forget_old(passed(app, days=5), TimeBudget())
    assert await app.history.days(None, 9) == [day]
    await forget_old(passed(app, days=20), TimeBudget())
    assert (await app.history.days(None, 9), await app.outbox.days()) == ([], {})
    table = app.clients.tables.get_table_client(app.settings.table_name)
    assert [one["RowKey"] async for one in table.query_entities(f"PartitionKey eq '{day}'")] == []
    assert f"2 events of {day} were never sent, and are removed: no queue is set." in caplog.text


async def test_what_an_earlier_release_has_left_behind_is_sent_before_its_records_go(storage_app):
    await closed(storage_app, await recorded(storage_app, 1))
    (day,) = await storage_app.table.days()
    past = later(quiet(storage_app), seconds=DAY_PATIENCE.total_seconds() + 60)
    await past.table.forget_day(day, past.now())
    keeping = RetentionSettings(records=timedelta(days=10), outputs=None)
    app = app_on(storage_app.clients, replace(storage_app.settings, retention=keeping))
    await app.retention.move(RetentionMark(left_alone=app.now() + timedelta(days=5), left_alone_since=app.now()))
    await forget_old(passed(app, days=20), TimeBudget())
    assert list(await app.outbox.days()) == [day]
    await reconcile(passed(app, days=20))
    await forget_old(passed(app, days=21), TimeBudget())
    assert len(await events_of(app)) == 1
    assert await app.history.days(None, 9) == []
