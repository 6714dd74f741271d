"""What one record, job or day cannot get keeps no other from its own; a lost answer makes nothing happen twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from batch_core import collect as collect_module
from batch_core import hand_over as hand_over_module
from batch_core.app import utc_now
from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.errors import Refused, Unavailable
from batch_core.naming import table_keys, task_id
from batch_core.reconcile import reconcile
from batch_core.services.task_files import TaskFile
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.sweep import sweep
from batch_core.turns import Turns
from chaos.relay import Asked, Spoil, Spoiled, pass_all
from tests.batch_core.relays import Relayed, relayed_app, where
from tests.batch_core.steps import (
    TRIGGER,
    accepted_only,
    closed,
    completed,
    dropped,
    later,
    record_of,
    recorded_only,
    submitted,
    tasks_of,
    with_command,
)

#: Ticks after which each has had its turn, also on a machine that is so busy that some of them come to nothing.
_TURNS = 8


@pytest.fixture
async def relayed(environment: dict[str, str], batch_endpoint: str, pauses: list[float]) -> AsyncIterator[Relayed]:
    async with relayed_app(environment, batch_endpoint) as relayed:
        yield relayed


def answered(status: int, code: str) -> Spoiled:
    """Return an error of the table in its own words, for what it has not done."""
    body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en", "value": code}}}).encode()
    return Spoiled(status=status, body=body, content_type="application/json", is_after=False)


def refused_within(status: int, code: str) -> Spoiled:
    """Return the answer to a transaction of which the first operation is refused."""
    error = json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": f"0:{code}"}}})
    lines = [
        *("--batchresponse_1", "Content-Type: multipart/mixed; boundary=changesetresponse_1", ""),
        *("--changesetresponse_1", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""),
        *(f"HTTP/1.1 {status} Bad Request", "Content-Type: application/json;odata=minimalmetadata", "", error),
        *("--changesetresponse_1--", "--batchresponse_1--", ""),
    ]
    body = "\r\n".join(lines).encode()
    return Spoiled(status=202, body=body, content_type="multipart/mixed; boundary=batchresponse_1", is_after=False)


def refusing(task: str) -> Spoil:
    """Have the table refuse every write to this record, as if it were too large."""
    row = table_keys(task).row

    def spoil(asked: Asked) -> Spoiled | None:
        if asked.method == "PATCH" and row in asked.path and "open-" not in asked.path:
            return answered(400, "EntityTooLarge")
        if asked.method == "POST" and f"RowKey='{row}'".encode() in asked.body.replace(b"%27", b"'"):
            return refused_within(400, "EntityTooLarge")
        return None

    return spoil


@pytest.mark.parametrize("status", [500, 503])
async def test_an_insertion_whose_answer_was_lost_is_known_as_ones_own(relayed, status):
    await submitted(relayed.app, "first.txt")
    version = await dropped(relayed.app, "a.txt")
    lost = Spoiled(status=status, body=b"busy", is_after=True)
    relayed.tables.spoil = where("POST", "$batch", lost, times=1)
    submission = await submit_again(relayed.app, version, detected_by=DetectedBy.HTTP)
    assert relayed.tables.struck == 1
    assert (submission.is_new, submission.record.attempt) == (True, 1)
    assert len(await tasks_of(relayed.app)) == 2


async def test_a_record_that_cannot_be_changed_keeps_no_other_from_batch(relayed):
    app = with_command(relayed.app, "/bin/sleep 30")
    bad = await accepted_only(app, await dropped(app, "bad.txt"))
    good = await recorded_only(app, await dropped(app, "good.txt"))
    relayed.tables.spoil = refusing(bad.record.task_id)
    report = await reconcile(later(app, minutes=30))
    assert relayed.tables.struck
    assert not report.is_complete
    assert (await record_of(app, good.record.task_id)).state is TaskState.SUBMITTED


async def test_a_record_that_cannot_be_changed_holds_up_no_other_chunk(relayed, monkeypatch):
    monkeypatch.setattr(hand_over_module, "MAX_TASKS_PER_CALL", 1)
    versions = [await dropped(relayed.app, f"{number}.txt") for number in range(3)]
    relayed.tables.spoil = refusing(task_id(versions[0]))
    for version in versions:
        await recorded_only(relayed.app, version)
    with pytest.raises(Refused, match="EntityTooLarge"):
        await submit(relayed.app, versions, detected_by=TRIGGER)
    states = [(await record_of(relayed.app, task_id(version))).state for version in versions]
    assert states == [TaskState.QUEUED, TaskState.SUBMITTED, TaskState.SUBMITTED]


async def test_a_record_that_cannot_be_closed_holds_up_no_other(relayed, monkeypatch):
    monkeypatch.setattr(collect_module, "_TOGETHER", 1)
    records = [await submitted(relayed.app, f"{number}.txt") for number in range(3)]
    await completed(relayed.app, [record.task_id for record in records])
    pages = [page async for page in relayed.app.batch.completed_tasks(records[0].job_id, None)]
    order = [task.task_id for page in pages for task in page.read()]
    relayed.tables.spoil = refusing(order[0])
    report = await collect(relayed.app)
    assert not report.is_complete
    states = [(await record_of(relayed.app, task)).state for task in order]
    assert states == [TaskState.SUBMITTED, TaskState.SUCCEEDED, TaskState.SUCCEEDED]


async def test_a_final_state_that_the_table_refuses_holds_up_no_other_and_its_record_says_so(relayed):
    records = [await submitted(relayed.app, f"{number}.txt") for number in range(3)]
    tasks = [record.task_id for record in records]
    await completed(relayed.app, tasks)
    row = f"RowKey='{table_keys(tasks[1]).row}'".encode()

    def spoil(asked: Asked) -> Spoiled | None:
        is_closing = row in asked.body.replace(b"%27", b"'") and b"closed_at" in asked.body
        return refused_within(400, "PropertyValueTooLarge") if is_closing else None

    relayed.tables.spoil = spoil
    await collect(relayed.app)
    states = [(await record_of(relayed.app, task)).state for task in tasks]
    assert states == [TaskState.SUCCEEDED, TaskState.SUBMITTED, TaskState.SUCCEEDED]
    reason = (await record_of(relayed.app, tasks[1])).reason
    assert reason.startswith("it has ended; its final state is not written yet")
    assert "PropertyValueTooLarge" in reason
    relayed.tables.spoil = pass_all
    await collect(relayed.app)
    record = await record_of(relayed.app, tasks[1])
    assert (record.state, record.reason) == (TaskState.SUCCEEDED, None)


@pytest.mark.parametrize("answer", [(413, "RequestBodyTooLarge"), (404, "ResourceNotFound"), (500, "InternalError")])
async def test_a_job_whose_progress_cannot_be_noted_holds_up_no_other_job(relayed, monkeypatch, answer):
    monkeypatch.setattr(collect_module, "OVERLAP", timedelta(0))
    first = [await submitted(relayed.app, f"{number}.txt") for number in range(2)]
    await completed(relayed.app, [record.task_id for record in first])
    await closed(relayed.app, first[0].job_id)
    second = await submitted(relayed.app, "b.txt")
    await completed(relayed.app, [second.task_id])

    def spoil(asked: Asked) -> Spoiled | None:
        return answered(*answer) if asked.method == "PATCH" and first[0].job_id in asked.path else None

    relayed.tables.spoil = spoil
    await collect(relayed.app)
    assert relayed.tables.struck
    assert (await record_of(relayed.app, second.task_id)).state is TaskState.SUCCEEDED


async def test_a_cancelled_task_that_collect_has_passed_is_sent_back(app):
    record = await submitted(app)
    await completed(app, [record.task_id])
    (job,) = await app.registry.jobs()
    await app.registry.note_progress(job, utc_now() + timedelta(minutes=1))
    await cancel(app, record.task_id)
    await reconcile(later(app, minutes=30))
    await collect(app)
    assert (await record_of(app, record.task_id)).state.is_final


async def test_a_job_whose_output_comes_slowly_or_never_leaves_others_their_turn(app, monkeypatch):
    slow = [await submitted(app, f"{number}.txt") for number in range(4)]
    await completed(app, [record.task_id for record in slow])
    await closed(app, slow[0].job_id)
    quick = await submitted(app, "quick.txt")
    await completed(app, [quick.task_id])
    read = app.files.read_small

    async def read_slowly(file: TaskFile, most: int, more: Callable[[], Awaitable[object]]) -> bytes | None:
        if file.job_id == slow[0].job_id:
            await asyncio.sleep(1)
            raise Unavailable("reading", detail="no answer")
        return await read(file, most, more)

    monkeypatch.setattr(app.files, "read_small", read_slowly)
    for _ in range(_TURNS):
        await collect(app, budget=timedelta(seconds=1))
        if (await record_of(app, quick.task_id)).state is TaskState.SUCCEEDED:
            break
    else:
        pytest.fail("it never got its turn")


async def test_tasks_whose_output_failed_before_come_after_those_of_their_job_that_were_not_tried(app, monkeypatch):
    monkeypatch.setattr(collect_module, "_TOGETHER", 2)
    records = [await submitted(app, f"{number}.txt") for number in range(5)]
    await completed(app, [record.task_id for record in records])
    pages = [page async for page in app.batch.completed_tasks(records[0].job_id, None)]
    order = [task.task_id for page in pages for task in page.read()]
    read = app.files.read_small

    async def read_slowly(file: TaskFile, most: int, more: Callable[[], Awaitable[object]]) -> bytes | None:
        if file.task_id in order[:2]:
            await asyncio.sleep(1)
            raise Unavailable("reading", detail="no answer")
        return await read(file, most, more)

    monkeypatch.setattr(app.files, "read_small", read_slowly)
    for _ in range(_TURNS):
        await collect(app, budget=timedelta(seconds=1))
        states = [(await record_of(app, task)).state for task in order]
        if states.count(TaskState.SUCCEEDED) == 3:
            break
    assert states == [TaskState.SUBMITTED] * 2 + [TaskState.SUCCEEDED] * 3


async def test_a_table_that_fails_while_failing_outputs_are_tried_again_ends_no_tick(relayed):
    record = await submitted(relayed.app)
    await completed(relayed.app, [record.task_id])
    relayed.batch.spoil = where("GET", "stdout.txt", Spoiled(status=503, body=b"busy"))
    await collect(relayed.app)
    relayed.batch.spoil = pass_all
    relayed.tables.spoil = where("POST", "$batch", answered(503, "ServerBusy"))
    report = await collect(relayed.app)
    assert relayed.tables.struck
    assert not report.is_complete
    relayed.tables.spoil = pass_all
    await collect(relayed.app)
    assert (await record_of(relayed.app, record.task_id)).state is TaskState.SUCCEEDED


async def test_a_day_with_much_to_look_for_leaves_the_next_its_turn(app, monkeypatch):
    old = [await submitted(app, f"{number}.txt") for number in range(3)]
    await completed(app, [record.task_id for record in old])
    version = await dropped(app, "next.txt")
    new = await recorded_only(app, replace(version, last_modified=version.last_modified + timedelta(days=1)))
    look = app.batch.completion_of

    async def look_slowly(job_id: str, task: str) -> object:
        await asyncio.sleep(0.5)
        return await look(job_id, task)

    monkeypatch.setattr(app.batch, "completion_of", look_slowly)
    in_half_an_hour = later(app, minutes=30)
    for _ in range(2):
        await reconcile(in_half_an_hour, budget=timedelta(seconds=1))
    assert (await record_of(app, new.record.task_id)).state is TaskState.SUBMITTED


async def test_a_day_that_cannot_be_listed_holds_up_no_other(relayed):
    version = await dropped(relayed.app, "a.txt")
    old = await recorded_only(relayed.app, version)
    new = await recorded_only(relayed.app, replace(version, last_modified=version.last_modified + timedelta(days=1)))
    day = table_keys(old.record.task_id).partition

    def spoil(asked: Asked) -> Spoiled | None:
        is_list = asked.method == "GET" and day in asked.path and "open-" in asked.path
        return answered(500, "InternalError") if is_list else None

    relayed.tables.spoil = spoil
    report = await reconcile(later(relayed.app, minutes=30))
    assert not report.is_complete
    assert (await record_of(relayed.app, new.record.task_id)).state is TaskState.SUBMITTED


async def test_a_clock_that_was_an_hour_ahead_hides_no_file_once_it_is_right_again(app):
    await dropped(app, "early.txt")
    await sweep(later(app, minutes=60))
    version = await dropped(app, "late.txt")
    await sweep(later(app, minutes=60))
    await sweep(later(app, minutes=30))
    assert (await record_of(app, task_id(version))).detected_by is DetectedBy.SWEEP


def test_each_gets_its_turn_to_be_first():
    turns = Turns()
    assert [turns.next("jobs", "abc") for _ in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]
    assert turns.next("days", "ab") == list("ab")
    assert turns.next("jobs", "") == []
