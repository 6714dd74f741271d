"""What answers in a service's place, such as a proxy or a login page, decides nothing: files wait and say why."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from batch_core.cancel import cancel
from batch_core.collect import collect
from batch_core.errors import Missing, Refused, ServiceError, Unexpected
from batch_core.http.health import check_health
from batch_core.naming import task_id
from batch_core.reconcile import reconcile
from batch_core.sdk.translation import note_answer, translating
from batch_core.state.changes import Closing
from batch_core.state.entities import MAX_TEXT_LENGTH
from batch_core.state.record import DetectedBy, Outcome, TaskState
from batch_core.submit import submit
from chaos.relay import Asked, Ending, Spoiled, pass_all
from tests.batch_core.relays import Relayed, relayed_app, where
from tests.batch_core.steps import (
    TRIGGER,
    accepted_only,
    closed,
    collected,
    completed,
    dropped,
    later,
    output,
    outputs,
    record_of,
    running,
    submitted,
    tasks_of,
    with_command,
)
from tests.batch_emulator.control_client import faults

PAGE = b"<html>Sign in to continue</html>"
#: Bodies with which 200 is no answer of the service.
BODIES = {
    "half of it": None,
    "a page": PAGE,
    "nested without end": b"[" * 100_000,
    "nothing": b"",
    "null": b"null",
    "a list": b"[1]",
    "nobody": b'{"value":[null]}',
    "no item": b'{"value":[{}]}',
    "an empty object": b"{}",
}
STATUSES = (204, 301, 302, 400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 416, 418, 421, 451)


@pytest.fixture
async def relayed(environment: dict[str, str], batch_endpoint: str, pauses: list[float]) -> AsyncIterator[Relayed]:
    async with relayed_app(environment, batch_endpoint) as relayed:
        yield relayed


def page(status: int = 200, *, is_after: bool = True) -> Spoiled:
    return Spoiled(status=status, body=PAGE, content_type="text/html", is_after=is_after)


def in_place(body: bytes | None) -> Spoiled:
    kind = "text/html" if body == PAGE else "application/json"
    return Spoiled(body=body, content_type=kind, ending=Ending.HALF if body is None else Ending.WHOLE)


SPOILED = {name: in_place(body) for name, body in BODIES.items()} | {str(status): page(status) for status in STATUSES}


# Adding tasks


@pytest.mark.parametrize("is_after", [True, False], ids=["which took effect", "which Batch never saw"])
async def test_no_foreign_answer_to_adding_a_task_is_a_verdict(relayed, is_after):
    version = await dropped(relayed.app, "a.txt")
    for tries, (name, spoiled) in enumerate(SPOILED.items(), start=1):
        is_seen = is_after or name == "half of it"
        relayed.batch.spoil = where("POST", "addtaskcollection", replace(spoiled, is_after=is_seen))
        (one,) = await submit(relayed.app, [version], detected_by=TRIGGER, is_urgent=True)
        record = one.record
        assert (record.state, record.submit_tries, relayed.batch.struck) == (TaskState.QUEUED, tries, tries), name
        assert record.next_attempt_at > record.recorded_at, name
        assert record.reason.startswith(("adding tasks to job", "adding the task")), name
    relayed.batch.spoil = pass_all
    await reconcile(later(relayed.app, hours=1))
    assert (await collected(relayed.app, record.task_id)).state is TaskState.SUCCEEDED
    assert await tasks_of(relayed.app) == [(record.job_id, record.task_id)]


async def test_a_proxy_that_refuses_everything_rejects_none_of_a_hundred_files_and_is_not_asked_for_each(relayed):
    versions = [replace(await dropped(relayed.app, "x"), etag=f"0x{number}") for number in range(100)]
    relayed.batch.spoil = where("POST", "addtaskcollection", page(407))
    records = [one.record for one in await submit(relayed.app, versions, detected_by=DetectedBy.SWEEP)]
    assert {record.state for record in records} == {TaskState.QUEUED}
    assert all("HTTP 407" in record.reason for record in records)
    assert relayed.batch.struck < 60


async def test_one_record_that_spoils_every_call_it_is_in_does_not_hold_the_other_99(relayed):
    versions = [replace(await dropped(relayed.app, "x"), etag=f"0x{number}") for number in range(100)]
    bad = task_id(versions[62])

    def spoil(asked: Asked) -> Spoiled | None:
        return page(400, is_after=False) if bad.encode() in asked.body else None

    relayed.batch.spoil = spoil
    records = {one.record.task_id: one.record for one in await submit(relayed.app, versions, detected_by=TRIGGER)}
    waiting = [record.task_id for record in records.values() if record.state is TaskState.QUEUED]
    assert waiting == [bad]
    assert sum(record.state is TaskState.SUBMITTED for record in records.values()) == 99


async def test_health_reports_answers_that_are_not_understood_when_it_lasts(relayed):
    relayed.batch.spoil = where("POST", "addtaskcollection", page(407))
    await submitted(relayed.app)
    assert "hand-over" not in {check.name for check in await check_health(relayed.app)}
    long_after = later(relayed.app, minutes=11)
    (waiting,) = [check for check in await check_health(long_after) if check.name == "hand-over"]
    assert not waiting.is_ok
    assert waiting.detail.startswith("1 file(s) have waited for Batch to accept them, the first since ")
    assert "HTTP 407" in waiting.detail
    relayed.batch.spoil = pass_all
    await reconcile(long_after)
    assert "hand-over" not in {check.name for check in await check_health(long_after)}


@pytest.mark.parametrize("code", ["InvalidPropertyValue", "RequestBodyTooLarge", "UnsupportedProperty"])
async def test_what_batch_says_it_never_accepts_is_rejected(relayed, code):
    async with faults(relayed.batch.target, added(400, code)):
        record = await submitted(relayed.app)
    assert record.state is TaskState.REJECTED
    assert code in record.reason


@pytest.mark.parametrize(
    "code", ["UnsupportedRequestVersion", "InvalidHeaderValue", "AccountIsDisabled", "SomethingNew", "InvalidUri"]
)
async def test_what_batch_says_of_the_request_the_account_or_in_unknown_words_waits(relayed, code):
    async with faults(relayed.batch.target, added(400, code)):
        record = await submitted(relayed.app)
    assert record.state is TaskState.QUEUED
    assert code in record.reason


@pytest.mark.parametrize(("code", "state"), [("InvalidPropertyValue", "rejected"), ("SomethingNew", "queued")])
async def test_an_item_is_rejected_by_a_known_code_alone(relayed, code, state):
    rule = {"operation": "create_task_collection", "items": {"status": 400, "code": code, "message": "No."}}
    async with faults(relayed.batch.target, rule):
        record = await submitted(relayed.app)
    assert record.state == state
    assert code in record.reason


async def test_a_task_that_batch_has_is_never_rejected_whatever_batch_says_of_adding_it_again(relayed):
    stored = await accepted_only(relayed.app, await dropped(relayed.app, "a.txt"))
    async with faults(relayed.batch.target, added(400, "InvalidPropertyValue")):
        (one,) = await submit(relayed.app, [stored.record.version], detected_by=TRIGGER)
    assert one.record.state is TaskState.SUBMITTED


async def test_a_task_that_batch_may_have_is_not_rejected_while_that_is_not_known(relayed):
    relayed.batch.spoil = where("GET", "/tasks/", page(404))
    async with faults(relayed.batch.target, added(400, "InvalidPropertyValue")):
        record = await submitted(relayed.app)
    assert record.state is TaskState.QUEUED
    assert "whether Batch has the task is not known" in record.reason


def added(status: int, code: str, message: str = "No.") -> dict[str, object]:
    answer = {"status": status, "code": code, "message": message}
    return {"operation": "create_task_collection", "answer": answer}


async def test_what_signs_the_input_is_not_what_batch_says_of_the_task(app, monkeypatch):
    async def refused(_blob, _lifetime):
        raise Refused("asking for a user delegation key", status=400, code="InvalidInput", detail="No.")

    with monkeypatch.context() as patch:
        patch.setattr(app.inputs, "sas_url", refused)
        record = await submitted(app)
    assert (record.state, record.submit_tries) == (TaskState.QUEUED, 1)
    assert record.reason.startswith("asking for a user delegation key failed")
    await reconcile(later(app, minutes=5))
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


# Whether something exists


async def test_no_foreign_answer_says_whether_a_closed_job_has_a_task(relayed):
    stored = await accepted_only(relayed.app, await dropped(relayed.app, "a.txt"))
    await completed(relayed.app, [stored.record.task_id])
    await closed(relayed.app, stored.record.job_id)
    for name, spoiled in SPOILED.items():
        relayed.batch.spoil = where("GET", f"/tasks/{stored.record.task_id}", spoiled)
        (one,) = await submit(relayed.app, [stored.record.version], detected_by=TRIGGER, is_urgent=True)
        assert (one.record.state, one.record.job_id) == (TaskState.QUEUED, stored.record.job_id), name
        assert one.record.reason.startswith("looking for task"), name
    relayed.batch.spoil = pass_all
    record = await collected(relayed.app, stored.record.task_id)
    assert record.state is TaskState.SUCCEEDED
    assert await tasks_of(relayed.app) == [(stored.record.job_id, stored.record.task_id)]


@pytest.mark.parametrize("status", [200, 404, 416])
async def test_no_page_says_that_a_completed_task_is_gone(relayed, status):
    record = await submitted(relayed.app)
    await completed(relayed.app, [record.task_id])
    for path in (f"/tasks/{record.task_id}", "/tasks?"):
        relayed.batch.spoil = where("GET", path, page(status))
        await reconcile(later(relayed.app, minutes=30))
        assert (await record_of(relayed.app, record.task_id)).state is TaskState.SUBMITTED
    relayed.batch.spoil = pass_all
    assert (await collected(relayed.app, record.task_id)).state is TaskState.SUCCEEDED


@pytest.mark.parametrize("status", [200, 404, 409])
async def test_no_page_says_that_a_task_is_stopped(relayed, status):
    app = with_command(relayed.app, "/bin/bash -c 'sleep 600'")
    record = await submitted(app)
    await running(app, record.task_id)
    relayed.batch.spoil = where("POST", "/terminate", page(status, is_after=False))
    with pytest.raises(Unexpected):
        await cancel(app, record.task_id)
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED
    relayed.batch.spoil = pass_all
    await reconcile(later(app, minutes=5))
    assert (await collected(app, record.task_id)).state is TaskState.CANCELLED


# Output


@pytest.mark.parametrize(
    "spoiled",
    [
        page(),
        page(404),
        page(416),
        Spoiled(body=b"", content_type="text/plain"),
        Spoiled(body=b"another text", content_type="text/plain"),
        Spoiled(ending=Ending.BROKEN_OFF, keeps_headers=True),
        Spoiled(body=b"x" * 2**21, keeps_headers=True),
    ],
    ids=["page", "404", "416", "nothing", "text", "broken off", "too long"],
)
async def test_only_what_batch_gives_as_a_file_becomes_output(relayed, spoiled):
    record = await submitted(relayed.app, content=b"the text of the file")
    await completed(relayed.app, [record.task_id])
    relayed.batch.spoil = where("GET", "stdout.txt", spoiled)
    for days in range(30):
        await collect(later(relayed.app, days=days))
    assert relayed.batch.struck >= 30
    waiting = await record_of(relayed.app, record.task_id)
    assert waiting.state is TaskState.SUBMITTED
    assert waiting.reason.startswith("it has run; its output is not copied yet: reading stdout.txt")
    assert await outputs(relayed.app) == []
    relayed.batch.spoil = pass_all
    record = await collected(relayed.app, record.task_id)
    assert record.state is TaskState.SUCCEEDED
    assert await output(relayed.app, record.stdout) == b"the text of the file"


@pytest.mark.parametrize("status", [200, 404])
async def test_what_head_denies_of_a_large_output_is_asked_again(relayed, status):
    app = with_command(relayed.app, "/bin/bash -c 'head -c 1500000 /dev/zero'")
    record = await submitted(app)
    await completed(app, [record.task_id])
    relayed.batch.spoil = where("HEAD", "stdout.txt", Spoiled(status=status, body=b""))
    await collect(app)
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED
    relayed.batch.spoil = pass_all
    record = await collected(app, record.task_id)
    assert len(await output(app, record.stdout)) == 1_500_000


# One does not hold up the others


@pytest.mark.parametrize("answer", ["half of it", "a page", "nothing", "null", "a list", "nobody", "404"])
async def test_a_job_whose_list_cannot_be_read_does_not_stop_the_collecting_of_others(relayed, answer):
    first = await submitted(relayed.app, "first")
    await closed(relayed.app, first.job_id)
    second = await submitted(relayed.app, "second")
    assert first.job_id != second.job_id
    await completed(relayed.app, [second.task_id])
    relayed.batch.spoil = where("GET", f"/jobs/{first.job_id}/tasks?", SPOILED[answer])
    assert (await collected(relayed.app, second.task_id)).state is TaskState.SUCCEEDED
    await reconcile(later(relayed.app, minutes=30))
    assert (await record_of(relayed.app, first.task_id)).state is not TaskState.OUTPUT_LOST


async def test_a_completed_task_that_cannot_be_read_does_not_stop_the_collecting_of_others(relayed):
    records = [await submitted(relayed.app, name) for name in ("bad", "good")]
    bad, good = records
    await completed(relayed.app, [record.task_id for record in records])

    def spoil(asked: Asked) -> Spoiled | None:
        if asked.method != "GET" or "/tasks?" not in asked.path:
            return None
        task = {"id": good.task_id, "stateTransitionTime": "2026-11-25T20:00:00Z"}
        execution = {"result": "success", "exitCode": 0, "retryCount": 0, "requeueCount": 0}
        items = [None, 5, {"id": bad.task_id, "executionInfo": "?"}, {**task, "executionInfo": execution}]
        body = json.dumps({"value": items}).encode()
        return Spoiled(body=body, content_type="application/json")

    relayed.batch.spoil = spoil
    report = await collect(relayed.app)
    assert report.states == {"succeeded": 1}
    assert (await record_of(relayed.app, bad.task_id)).state is TaskState.SUBMITTED
    relayed.batch.spoil = pass_all
    assert (await collected(relayed.app, bad.task_id)).state is TaskState.SUCCEEDED


async def test_an_entity_that_somebody_damaged_does_not_stop_the_ticks(app):
    record = await submitted(app)
    table = app.clients.tables.get_table_client(app.settings.table_name)
    day = record.task_id[:8]
    for row in ("open-000000-damaged", "open-999999-damaged"):
        await table.create_entity({"PartitionKey": day, "RowKey": row})
    await table.create_entity({"PartitionKey": "jobs", "RowKey": "damaged"})
    await completed(app, [record.task_id])
    await reconcile(later(app, minutes=30))
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_an_index_entity_without_a_record_does_not_stop_the_ticks(app):
    record = await submitted(app)
    table = app.clients.tables.get_table_client(app.settings.table_name)
    orphan = f"{record.task_id[:16]}a-{'0' * 16}"
    row = {"task_id": orphan, "blob": "a", "job_id": record.job_id, "since": record.recorded_at}
    await table.create_entity({"PartitionKey": orphan[:8], "RowKey": f"open-000000-{orphan[16:]}"} | row)
    await completed(app, [record.task_id])
    report = await reconcile(later(app, minutes=30))
    assert not report.is_complete
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


# Storage and the table


@pytest.mark.parametrize("status", [200, 302, 400, 404, 407])
async def test_no_page_in_the_place_of_storage_is_a_blob_or_says_that_there_is_none(relayed, status):
    await dropped(relayed.app, "a.txt")
    relayed.blobs.spoil = where("HEAD", "a.txt", page(status))
    with pytest.raises(Unexpected):
        await relayed.app.inputs.version_of("a.txt")
    relayed.blobs.spoil = where("GET", "comp=list", page(status))
    with pytest.raises(Unexpected):
        await relayed.app.inputs.listing(None).next_page()


@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 409])
async def test_no_page_says_that_output_was_written(relayed, status):
    relayed.blobs.spoil = where("PUT", "out.txt", page(status, is_after=False))
    with pytest.raises(Unexpected):
        await relayed.app.outputs.write("out.txt", b"text")
    relayed.blobs.spoil = where("HEAD", "out.txt", page(status, is_after=False))
    with pytest.raises(Unexpected):
        await relayed.app.outputs.size_of("out.txt")


async def test_no_foreign_answer_says_what_the_table_holds(relayed):
    app = relayed.app
    record = await submitted(app)
    closing = Closing(task_id=record.task_id, outcome=Outcome(state=TaskState.CANCELLED))
    for name, answer in SPOILED.items():
        spoiled = replace(answer, is_after=name == "half of it")
        relayed.tables.spoil = where("GET", app.settings.table_name, spoiled)
        with pytest.raises(ServiceError) as caught:
            await app.table.get(record.task_id)
        assert not isinstance(caught.value, Missing), name
        relayed.tables.spoil = where("POST", "$batch", replace(spoiled, is_after=False))
        with pytest.raises(ServiceError) as caught:
            await app.table.close([closing], app.now())
        assert not isinstance(caught.value, Missing), name
    relayed.tables.spoil = pass_all
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_an_answer_that_never_came_is_not_what_a_programming_error_is_taken_for():
    with pytest.raises(TypeError), translating("adding tasks"):
        raise TypeError("an argument is missing")
    with pytest.raises(Unexpected, match="cannot be read"):
        _misread()


def _misread() -> None:
    with translating("adding tasks"):
        note_answer()
        raise TypeError("'NoneType' object is not subscriptable")


# Texts


async def test_a_message_of_any_length_leaves_a_reason_of_two_thousand_characters(app):
    rule = added(400, "InvalidPropertyValue", "x" * 70_000)
    async with faults(app.settings.batch.endpoint, rule):
        rejected = await submitted(app, "a.txt")
    async with faults(app.settings.batch.endpoint, added(400, "SomethingNew", "ß" * 70_000)):
        queued = await submitted(app, "b.txt")
    states = [(await record_of(app, one.task_id)) for one in (rejected, queued)]
    assert [one.state for one in states] == [TaskState.REJECTED, TaskState.QUEUED]
    assert all(1000 < len(one.reason) <= MAX_TEXT_LENGTH for one in states)


async def test_fifty_closings_with_endless_texts_fit_the_table_together(app):
    versions = [replace(await dropped(app, "x"), etag=f"0x{number}") for number in range(50)]
    submissions = await submit(app, versions, detected_by=TRIGGER)
    endless = "\N{CHESTNUT}" * 70_000
    outcome = Outcome(state=TaskState.FAILED, reason=endless, failure_message=endless, failure_code=endless)
    closings = [Closing(task_id=one.record.task_id, outcome=outcome) for one in submissions]
    assert await app.table.close(closings, app.now()) == [True] * 50
    assert len((await record_of(app, closings[0].task_id)).reason) == MAX_TEXT_LENGTH


async def test_a_signature_that_an_error_repeats_is_not_kept():
    error = Refused("reading", status=400, code="X", detail="no such URL: https://a/b?sv=1&sig=verysecret%2B&se=2")
    assert "verysecret" not in str(error)
    assert "sig=REDACTED&se=2" in error.detail
