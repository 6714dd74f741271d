"""Pauses: nothing is handed over meanwhile, nothing is lost, and everything goes on."""

import json

import pytest

from batch_core.cancel import cancel
from batch_core.errors import InvalidRequest, NotNow
from batch_core.hand_over import hand_over
from batch_core.http.health import check_health
from batch_core.http.pauses import PauseRequest
from batch_core.in_flight import IN_FLIGHT
from batch_core.intake import take, take_by_hand
from batch_core.pausing import pause, resume
from batch_core.reconcile import reconcile
from batch_core.state import pauses
from batch_core.state.record import TaskState
from batch_core.submit import submit
from tests.batch_core.steps import TRIGGER, collected, dropped, later, record_of, submitted, tasks_of, with_routes
from tests.batch_core.test_statistics import document

TWO = """
[[routes]]
name = "a"
match = "a/**"
command = "/bin/true"
[[routes]]
name = "b"
match = "b/**"
command = "/bin/true"
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Other processes see a pause at once."""
    monkeypatch.setattr(pauses, "FRESH_FOR", 0.0)


async def test_while_the_intake_is_paused_files_wait_with_that_reason_and_then_go_on(app):
    paused = await pause(app, None, "ann@example.com")
    assert (paused.intake.asked_by, paused.routes) == ("ann@example.com", {})
    await dropped(app, "a.txt")
    # Its event is handled: the host need not deliver it again.
    await take(app, app.settings.input_container, "a.txt")
    byhand = await take_by_hand(app, "a.txt", is_forced=False)
    assert byhand.record.state is TaskState.QUEUED
    assert byhand.record.reason.startswith("the intake has been paused by ann@example.com since 20")
    assert await tasks_of(app) == []
    report = await reconcile(later(app, minutes=5))
    assert (report.done["paused"], await tasks_of(app)) == (1, [])
    assert await resume(app, None) == pauses.Paused()
    await reconcile(later(app, minutes=5))
    assert (await collected(app, byhand.record.task_id)).state is TaskState.SUCCEEDED


async def test_what_is_resumed_goes_on_with_the_next_tick_however_young_it_is(app):
    await pause(app, None)
    record = await submitted(app)
    await reconcile(app)
    assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    await resume(app, None)
    await reconcile(app)
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_a_route_is_paused_alone(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TWO)
    await pause(routed, "a")
    held, free = await submitted(routed, "a/1"), await submitted(routed, "b/1")
    assert (held.state, free.state) == (TaskState.QUEUED, TaskState.SUBMITTED)
    assert held.reason.startswith("route a has been paused since 20")
    assert (await document(routed))["paused"]["routes"].keys() == {"a"}
    checks = {check.name: check for check in await check_health(later(routed, hours=5))}
    assert (checks["pauses"].is_ok, "hand-over" in checks) == (True, False)
    await resume(routed, "a")
    await reconcile(later(routed, minutes=5))
    assert (await record_of(app, held.task_id)).state is TaskState.SUBMITTED
    assert "pauses" not in {check.name for check in await check_health(routed)}


async def test_what_waits_in_a_pause_costs_the_ticks_no_call_for_each(app, calls):
    await pause(app, None)
    versions = [await dropped(app, f"{number}.txt") for number in range(12)]
    records = [one.record for one in await submit(app, versions, detected_by=TRIGGER)]
    before = [await record_of(app, record.task_id) for record in records]
    calls.clear()
    await reconcile(later(app, minutes=5))
    assert len(calls) <= 12
    # Nothing is written again either.
    await hand_over(app, [await app.table.get(record.task_id) for record in records])
    assert [await record_of(app, record.task_id) for record in records] == before


async def test_a_task_that_waits_in_a_pause_can_be_cancelled(app):
    await pause(app, None)
    record = await submitted(app)
    await cancel(app, record.task_id)
    await reconcile(later(app, seconds=IN_FLIGHT.total_seconds() + 60))
    assert (await record_of(app, record.task_id)).state is TaskState.CANCELLED


async def test_many_cancelled_tasks_that_wait_cost_the_ticks_no_call_for_each(app, calls):
    await pause(app, None)
    versions = [await dropped(app, f"{number}.txt") for number in range(12)]
    records = [one.record for one in await submit(app, versions, detected_by=TRIGGER)]
    for record in records:
        await cancel(app, record.task_id)
    calls.clear()
    await reconcile(later(app, minutes=5))
    assert len(calls) <= 12
    assert {(await record_of(app, record.task_id)).state for record in records} == {TaskState.QUEUED}
    await reconcile(later(app, seconds=IN_FLIGHT.total_seconds() + 60))
    assert {(await record_of(app, record.task_id)).state for record in records} == {TaskState.CANCELLED}


async def test_a_pause_of_long_ago_stays_as_it_was_and_both_end_on_their_own(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TWO)
    first = (await pause(routed, None, "ann")).intake
    await pause(routed, "a", "bob")
    again = await pause(later(routed, hours=1), None, "carl")
    assert (again.intake, again.routes["a"].asked_by) == (first, "bob")
    assert (await resume(routed, None)).routes.keys() == {"a"}
    assert await resume(routed, "a") == pauses.Paused()
    # Idempotent.
    assert await resume(routed, "a") == pauses.Paused()


async def test_a_pause_is_made_and_told_whatever_this_process_remembers(app, monkeypatch):
    monkeypatch.setattr(pauses, "FRESH_FOR", 60.0)
    await pause(app, None, "ann")
    other = later(app)
    assert (await app.pauses.current()).intake
    # Another process, here another client of the table, ends it.
    await pauses.Pauses(app.clients.tables.get_table_client(app.settings.table_name)).end(None)
    assert (await pause(other, None, "bob")).intake.asked_by == "bob"
    assert (await pauses.Pauses(app.clients.tables.get_table_client(app.settings.table_name)).read()).intake


async def test_only_a_route_that_there_is_can_be_paused(app, tmp_path):
    routed = with_routes(app, tmp_path / "routes.toml", TWO.replace('"a"', '"thumbs"'))
    for change in (pause, resume):
        with pytest.raises(InvalidRequest, match="did you mean thumbs"):
            await change(routed, "thumb")
    assert (await pause(routed, "settings")).routes.keys() == {"settings"}
    unread = with_routes(app, tmp_path / "routes.toml", "[[routes]]")
    with pytest.raises(NotNow, match="which routes there are is not known"):
        await pause(unread, "thumbs")
    assert (await resume(unread, "thumbs")).routes.keys() == {"settings"}


async def test_a_route_that_is_gone_is_resumed(app, tmp_path):
    await pause(with_routes(app, tmp_path / "routes.toml", TWO), "a")
    assert await resume(app, "a") == pauses.Paused()


async def test_what_is_paused_is_read_seldom(app, calls, monkeypatch):
    monkeypatch.setattr(pauses, "FRESH_FOR", 60.0)
    for _ in range(3):
        await app.pauses.current()
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a#b?", "ä ö", "=41", "%2F", "x" * 100])
async def test_a_route_of_any_name_is_paused(app, name):
    await app.pauses.begin(pauses.Pause(route=name, since=app.now()))
    assert (await app.pauses.current()).routes.keys() == {name}
    await app.pauses.end(name)
    assert await app.pauses.current() == pauses.Paused()


def test_a_request_is_read():
    assert PauseRequest.parse(b"") == PauseRequest.parse(b"{}") == PauseRequest(route=None)
    assert PauseRequest.parse(json.dumps({"route": "a"}).encode()) == PauseRequest(route="a")


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"route": 5}', b'{"route": ""}', b'{"rote": "a"}', b"[" * 9999])
def test_a_request_that_makes_no_sense_is_refused(body):
    with pytest.raises(InvalidRequest):
        PauseRequest.parse(body)
