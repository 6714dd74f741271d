"""Many tasks are cancelled or retried at once: all that were meant, each once, wherever it stops."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core import selections as module
from batch_core.errors import InvalidRequest, NotNow, Refused, SelectionNotFound, Unavailable
from batch_core.http.selections import SelectionRequest
from batch_core.naming import task_id
from batch_core.reconcile import reconcile
from batch_core.selections import Wanted, ask, carried_out, carry_out_all, count, note
from batch_core.state.changes import Change
from batch_core.state.listing import RecordFilter
from batch_core.state.record import TaskState
from batch_core.state.selections import Action
from batch_core.submit import submit
from batch_core.tidy import tidy
from batch_core.time_budget import TICK, TimeBudget
from tests.batch_core.steps import TRIGGER, collected, dropped, later, record_of, tasks_of, with_command
from tests.batch_core.test_listing import recorded

FAILED = Wanted(action=Action.RETRY, filter=RecordFilter(states=frozenset({TaskState.FAILED})))
OPEN = Wanted(action=Action.CANCEL, filter=RecordFilter(states=frozenset({TaskState.QUEUED, TaskState.SUBMITTED})))


async def failed(app, number, prefix="f"):
    """Run so many files whose command fails; return their records."""
    bad = with_command(app, "/bin/false")
    versions = [await dropped(app, f"{prefix}/{one}") for one in range(number)]
    records = [one.record for one in await submit(bad, versions, detected_by=TRIGGER)]
    return [await collected(bad, record.task_id) for record in records]


async def finished(app, selection):
    """Tick until a selection has been carried out."""
    async with asyncio.timeout(30):
        while (found := await app.selections.get(selection.selection_id)).finished_at is None:
            await carry_out_all(app, TimeBudget(TICK))
    return found


async def test_all_that_failed_are_retried_and_each_once(app):
    records = await failed(app, 3)
    others = await failed(app, 1, "other")
    only = Wanted(action=Action.RETRY, filter=RecordFilter(states=FAILED.filter.states, prefix="f/"))
    assert await count(app, only) == (3, True)
    selection = await ask(app, only, "somebody")
    assert (selection.done, selection.refused, selection.asked_by) == (3, 0, "somebody")
    assert selection.finished_at is not None
    for record in records:
        again = (await record_of(app, record.task_id)).retried_as
        assert (await collected(app, again)).state is TaskState.SUCCEEDED
    assert (await record_of(app, others[0].task_id)).retried_as is None
    # They have been retried: nothing is left to do.
    assert await count(app, only) == (0, True)
    assert (await ask(app, only)).done == 0


async def test_what_fails_again_is_not_retried_by_the_same_selection(app):
    records = await failed(app, 2)
    bad = with_command(app, "/bin/false")
    selection = await ask(bad, FAILED)
    for record in records:
        await collected(bad, (await record_of(app, record.task_id)).retried_as)
    assert await carry_out_all(bad, TimeBudget(TICK)) == 0
    assert (await app.selections.get(selection.selection_id)).done == 2
    assert len(await tasks_of(app)) == 4


async def test_all_that_are_open_are_cancelled(app):
    versions = [await dropped(app, f"{one}") for one in range(4)]
    await submit(with_command(app, "/bin/sleep 600"), versions, detected_by=TRIGGER)
    selection = await ask(app, OPEN)
    assert (selection.done, selection.finished_at is not None) == (4, True)
    for _, task in await tasks_of(app):
        assert (await collected(app, task)).state is TaskState.CANCELLED


async def test_a_request_begins_and_the_ticks_do_the_rest(storage_app, monkeypatch):
    records = await recorded(storage_app, 7, state=TaskState.FAILED)
    done = []

    async def retry(_, task_id, *__):
        done.append(task_id)

    monkeypatch.setattr(module, "retry", retry)
    monkeypatch.setattr(module, "_PER_PAGE", 2)
    monkeypatch.setattr(module, "_AT_FIRST", TICK * 0)
    selection = await ask(storage_app, FAILED)
    assert (selection.done, selection.finished_at) == (0, None)
    report = await reconcile(later(storage_app, minutes=30))
    assert report.done["selected"] == 7
    assert sorted(done) == sorted(record.task_id for record in records)
    assert (await storage_app.selections.get(selection.selection_id)).finished_at is not None


async def test_an_interrupted_one_goes_on_where_it_was(storage_app, monkeypatch):
    records = await recorded(storage_app, 6, state=TaskState.FAILED)
    done = []

    async def stops(_, task_id, *__):
        if len(done) == 3:
            raise Unavailable("retrying")
        done.append(task_id)

    monkeypatch.setattr(module, "_PER_PAGE", 2)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(module, "retry", stops)
        selection = await ask(storage_app, FAILED)
    assert (selection.done, selection.finished_at) == (2, None)

    async def goes_on(_, task_id, *__):
        done.append(task_id)

    monkeypatch.setattr(module, "retry", goes_on)
    assert (await finished(storage_app, selection)).done == 6
    # The page that was cut short is done again as a whole: to retry twice does what once does.
    assert set(done) == {record.task_id for record in records}


async def test_what_cannot_be_done_is_said_and_holds_up_no_others(storage_app, monkeypatch):
    records = await recorded(storage_app, 4, state=TaskState.FAILED)

    async def refuses(_, task_id, *__):
        if task_id == records[1].task_id:
            raise NotNow("its file has changed since")

    monkeypatch.setattr(module, "retry", refuses)
    selection = await ask(storage_app, FAILED)
    assert (selection.done, selection.refused) == (3, 1)
    assert selection.refusal == f"{records[1].task_id}: its file has changed since"


async def test_two_instances_carry_out_one_selection_once(storage_app, monkeypatch):
    await recorded(storage_app, 6, state=TaskState.FAILED)
    monkeypatch.setattr(module, "_PER_PAGE", 2)

    async def retry(*_):
        await asyncio.sleep(0)

    monkeypatch.setattr(module, "retry", retry)
    monkeypatch.setattr(module, "_AT_FIRST", TICK * 0)
    selection = await ask(storage_app, FAILED)
    await asyncio.gather(*(carry_out_all(storage_app, TimeBudget(TICK)) for _ in range(3)))
    assert (await finished(storage_app, selection)).done == 6


async def test_a_tick_leaves_alone_what_a_request_is_at_unless_that_has_stopped(storage_app, monkeypatch):
    await recorded(storage_app, 2, state=TaskState.FAILED)

    async def retry(*_):
        pass

    monkeypatch.setattr(module, "retry", retry)
    noted = await note(storage_app, FAILED)
    assert await carry_out_all(storage_app, TimeBudget(TICK)) == 0
    assert await carry_out_all(later(storage_app, seconds=31), TimeBudget(TICK)) == 2
    # The request comes to itself: it sees that it was done, and counts nothing again.
    assert [one async for one in carried_out(storage_app, noted)] == []
    assert (await storage_app.selections.get(noted.selection_id)).done == 2


async def test_too_many_at_the_same_time_are_refused_and_old_ones_go(storage_app, monkeypatch):
    monkeypatch.setattr(module, "_AT_FIRST", TICK * 0)
    monkeypatch.setattr(module, "MOST", 4)
    selection = await ask(storage_app, FAILED)
    await ask(storage_app, FAILED)
    with pytest.raises(NotNow, match="2 selections are under way"):
        await ask(storage_app, FAILED)
    await tidy(later(storage_app, days=31))
    with pytest.raises(SelectionNotFound):
        await storage_app.selections.get(selection.selection_id)
    assert await storage_app.selections.newest() == []


@pytest.mark.parametrize("selection_id", ["x", "", "79738869827410-3f9a/../x", "' or '", "7" * 14 + "-" + "a" * 12])
async def test_an_id_that_is_none_finds_nothing(storage_app, selection_id):
    with pytest.raises(SelectionNotFound):
        await storage_app.selections.get(selection_id)


@pytest.mark.parametrize(
    ("action", "states", "problem"),
    [
        (Action.RETRY, set(), "'state' is missing"),
        (Action.CANCEL, {TaskState.FAILED, TaskState.QUEUED}, "only queued and submitted tasks can be cancelled"),
        (Action.RETRY, {TaskState.FAILED, TaskState.QUEUED}, "they cannot be retried"),
    ],
)
async def test_states_that_do_not_go_with_it_are_refused(storage_app, action, states, problem):
    wanted = Wanted(action=action, filter=RecordFilter(states=frozenset(states)))
    for asked in (count, ask):
        with pytest.raises(InvalidRequest, match=problem):
            await asked(storage_app, wanted)


def test_a_request_is_read():
    body = {"action": "retry", "state": ["failed", "output_lost"], "day": "2026-11-30", "route": "r", "prefix": "a/"}
    states = frozenset({TaskState.FAILED, TaskState.OUTPUT_LOST})
    wanted = Wanted(action=Action.RETRY, filter=RecordFilter(states=states, route="r", prefix="a/"), day="20261130")
    assert SelectionRequest.parse(json.dumps(body).encode()) == SelectionRequest(wanted=wanted, is_dry_run=False)
    assert SelectionRequest.parse(b'{"action": "cancel", "state": "queued", "dry_run": true}').is_dry_run


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON"),
        (b"[1]", "the body is a list"),
        (b"{}", "'action' must be cancel or retry"),
        (b'{"action": {}, "state": ["failed"]}', "'action' must be cancel or retry"),
        (b'{"action": "retry", "state": ["done"]}', "'state' must be a list of queued"),
        (b'{"action": "retry", "state": [[]]}', "'state' must be a list of queued"),
        (b'{"action": "retry", "state": ["failed"], "day": "x"}', "'day' is 'x'"),
        (b'{"action": "retry", "state": ["failed"], "prefix": 5}', "'prefix' must be a text"),
        (b'{"action": "retry", "state": ["failed"], "prefix": "a\\u0000"}', "'prefix' must be a text"),
        (b'{"action": "retry", "state": ["failed"], "dry_run": 1}', "'dry_run' must be true or false"),
        (b'{"action": "retry", "sate": ["failed"]}', "did you mean state?"),
        (b'{"action": "retry", "state": ["failed"], "route": ""}', "leave it out to mean all"),
        (b'{"action": "retry", "state": ["failed"], "prefix": ""}', "leave it out to mean all"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_what_does(body, problem):
    with pytest.raises(InvalidRequest) as caught:
        SelectionRequest.parse(body)
    assert problem in " ".join(caught.value.problems)


async def test_what_an_interrupted_page_had_done_is_counted_by_the_next_try(storage_app, monkeypatch):
    """Of a page whose try stopped after some of its tasks, all are counted in the end, each once."""
    records = await recorded(storage_app, 6, state=TaskState.FAILED)
    done = []

    async def retry(app, identity, *_):
        if len(done) == 4:
            raise Unavailable("retrying")
        done.append(identity)
        stored = await app.table.get(identity)
        again = replace(
            stored.record, task_id=task_id(stored.record.version, 2), attempt=2, recorded_at=app.now(), reason="new"
        )
        again = replace(again, state=TaskState.QUEUED, closed_at=None)
        named = Change(stored, replace(stored.record, retried_as=again.task_id))
        assert await app.table.insert_after(again, named)

    monkeypatch.setattr(module, "_AT_ONCE", 1)
    monkeypatch.setattr(module, "retry", retry)
    selection = await ask(storage_app, FAILED)
    assert (selection.done, selection.finished_at) == (0, None)
    assert selection.refusal == "it goes on later: retrying failed"
    done.clear()
    found = await finished(storage_app, selection)
    assert (found.done, found.refused, found.refusal) == (6, 0, None)
    assert len(done) == 2
    assert len({record.task_id for record in records}) == 6


async def test_one_that_a_service_refuses_for_good_does_not_hold_up_the_others(storage_app, monkeypatch):
    records = await recorded(storage_app, 5, state=TaskState.FAILED)

    async def retry(_, identity, *__):
        if identity == records[2].task_id:
            raise Refused("looking at the file", status=400, code="InvalidUri")

    monkeypatch.setattr(module, "_PER_PAGE", 2)
    monkeypatch.setattr(module, "retry", retry)
    selection = await ask(storage_app, FAILED)
    assert (selection.done, selection.refused, selection.finished_at is not None) == (4, 1, True)
    assert "InvalidUri" in selection.refusal


async def test_one_that_many_others_came_after_is_carried_out(storage_app, monkeypatch):
    await recorded(storage_app, 2, state=TaskState.FAILED)

    async def retry(*_):
        pass

    monkeypatch.setattr(module, "retry", retry)
    # It was asked for by a process that has ended since, a second before the others.
    monkeypatch.setattr(module, "_CLOCK_READING", timedelta(days=1))
    noted = await note(later(storage_app, seconds=-1), FAILED)
    others = Wanted(action=Action.RETRY, filter=RecordFilter(states=FAILED.filter.states, prefix="none"))
    for _ in range(module.MOST + 1):
        await ask(storage_app, others)
    assert noted.selection_id not in {one.selection_id for one in await storage_app.selections.newest()}
    await carry_out_all(later(storage_app, seconds=60), TimeBudget(TICK))
    found = await storage_app.selections.get(noted.selection_id)
    assert (found.done, found.finished_at is not None) == (2, True)


@pytest.mark.parametrize("seconds", [-3600, 300])
async def test_a_machine_whose_clock_is_wrong_means_the_same_tasks(app, monkeypatch, seconds):
    """What was recorded before is meant, and nothing that the selection itself makes."""
    await failed(app, 2)
    bad = with_command(app, "/bin/false")
    wrong = later(bad, seconds=seconds)
    # The service's clock is read in whole seconds: a task of this very second is not meant.
    await asyncio.sleep(1.1)
    selection = await ask(wrong, FAILED)
    assert selection.done == 2
    for _, task in await tasks_of(app):
        await collected(bad, task)
    assert await carry_out_all(later(wrong, seconds=60), TimeBudget(TICK)) == 0
    assert abs((selection.asked_at - app.now()).total_seconds()) < 30
