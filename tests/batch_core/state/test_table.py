import asyncio
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import TableEntity

from batch_core.app import App, app_on
from batch_core.bookkeeping import after_closing
from batch_core.errors import Missing, RecordNotFound, Unavailable
from batch_core.naming import BlobVersion, task_id
from batch_core.state import table as table_module
from batch_core.state import tally as tally_module
from batch_core.state.changes import Change, Closing, Stored
from batch_core.state.entities import open_entity, record_entity
from batch_core.state.job_registry import JobEntry
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState
from batch_core.state.table import StateTable
from batch_core.state.tally import Tally
from batch_core.state.transactions import apply_units

NOW = datetime(2026, 11, 23, 8, 1, 2, 345678, tzinfo=UTC)


def record(number: int = 1, *, name: str = "file", day: int = 0) -> TaskRecord:
    version = BlobVersion(
        container="input",
        name=f"{name}-{number}",
        etag="0x1",
        last_modified=NOW + timedelta(days=day, seconds=number),
        size=2**40,
    )
    return TaskRecord(
        task_id=task_id(version),
        job_id="job-1",
        container="input",
        blob=version.name,
        blob_etag="0x1",
        blob_last_modified=version.last_modified,
        blob_size=version.size,
        attempt=1,
        detected_by=DetectedBy.TRIGGER,
        state=TaskState.QUEUED,
        recorded_at=NOW,
        reason="recorded",
    )


@pytest.fixture
def table(storage_app: App) -> StateTable:
    return storage_app.table


async def inserted(table: StateTable, *records: TaskRecord) -> list[Stored]:
    stored = [one for one in await table.insert(records) if one is not None]
    assert len(stored) == len(records)
    return stored


async def test_a_record_comes_back_as_it_was_written(table):
    (stored,) = await inserted(table, record(name="größe ' \" 漢字 \t"))
    assert await table.get(stored.record.task_id) == stored


async def test_a_task_is_recorded_once(table):
    await inserted(table, record())
    assert await table.insert([replace(record(), reason="another")]) == [None]
    assert (await table.get(record().task_id)).record.reason == "recorded"


async def test_one_of_many_insertions_wins(table):
    replies = await asyncio.gather(*(table.insert([record()]) for _ in range(20)))
    assert sum(reply != [None] for reply in replies) == 1


async def test_many_records_are_inserted_though_some_are_there_already(table):
    await inserted(table, record(3), record(77))
    stored = await table.insert([record(number) for number in range(120)])
    assert [index for index, one in enumerate(stored) if one is None] == [3, 77]
    assert set(await table.open_among(record(n).task_id for n in range(120))) == {record(n).task_id for n in range(120)}


async def test_a_change_needs_the_etag_that_was_read(table):
    (stored,) = await inserted(table, record())
    submitted = replace(stored.record, state=TaskState.SUBMITTED, submitted_at=NOW, reason=None)
    (changed,) = await table.update([Change(stored, submitted)])
    assert changed == await table.get(record().task_id)
    assert changed.record == submitted
    assert await table.update([Change(stored, replace(stored.record, reason="late"))]) == [None]
    assert await table.get(record().task_id) == changed


async def test_of_many_changes_only_the_outdated_are_left_out(table):
    stored = await inserted(table, *(record(number) for number in range(5)))
    await table.update([Change(stored[2], replace(stored[2].record, reason="meanwhile"))])
    changed = await table.update([Change(one, replace(one.record, state=TaskState.SUBMITTED)) for one in stored])
    assert [one is None for one in changed] == [False, False, True, False, False]


async def test_a_final_state_is_given_once_and_ends_the_open_work(table):
    await inserted(table, record(1), record(2))
    closing = Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.SUCCEEDED, exit_code=0, stdout="o"))
    late = Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED, reason="late"))
    assert await table.close([closing], NOW) == [True]
    assert await table.close([late], NOW) == [False]
    final = (await table.get(record(1).task_id)).record
    assert final == replace(record(1), state=TaskState.SUCCEEDED, exit_code=0, stdout="o", closed_at=NOW, reason=None)
    assert list(await table.open_among([record(1).task_id, record(2).task_id])) == [record(2).task_id]


async def test_of_many_closings_only_the_first_of_each_task_counts(table):
    await inserted(table, *(record(number) for number in range(130)))
    closings = [Closing(task_id=record(n).task_id, outcome=Outcome(state=TaskState.SUCCEEDED)) for n in range(130)]
    assert await table.close([closings[5], closings[99]], NOW) == [True, True]
    assert [index for index, first in enumerate(await table.close(closings, NOW)) if not first] == [5, 99]


@pytest.fixture
def spoiled(monkeypatch):
    """How the next replies of the table to writing are spoiled: it has written, and the app does not hear of it."""
    ways, send = [], AioHttpTransport.send

    async def send_and_spoil(self, request, **options):
        response = await send(self, request, **options)
        if request.method == "POST" and ways:
            if ways.pop() == "lost":
                await response.close()
                raise ServiceResponseError("the connection was lost")
            # Which the SDK takes as a reason to ask again.
            response.status_code = 503
        return response

    monkeypatch.setattr(AioHttpTransport, "send", send_and_spoil)
    return ways


@pytest.mark.parametrize("number", [1, 50])
@pytest.mark.usefixtures("pauses")
async def test_an_end_whose_reply_was_lost_counts_as_any_other(storage_app, spoiled, calls, caplog, number):
    table = storage_app.table
    await inserted(table, *(record(n) for n in range(number)))
    closings = [Closing(task_id=record(n).task_id, outcome=Outcome(state=TaskState.FAILED)) for n in range(number)]
    spoiled.append("busy")
    assert await table.close(closings, NOW) == [True] * number
    said = [one.getMessage() for one in caplog.records if one.getMessage().startswith("Task ")]
    assert said == [f"Task {one.task_id} is failed: file None: no reason is known" for one in closings]
    assert sum(storage_app.tally.take().days.values()) == number
    # Another call closes nothing, says so, and logs nothing.
    assert await table.close(closings, NOW) == [False] * number
    assert len([one for one in caplog.records if one.getMessage().startswith("Task ")]) == number
    calls.clear()
    await after_closing(storage_app)
    assert calls == [], "nothing is in doubt"


@pytest.mark.usefixtures("pauses")
async def test_an_end_that_was_written_and_not_answered_is_logged_and_counted_later(storage_app, spoiled, caplog):
    table = storage_app.table
    await inserted(table, record(1))
    spoiled.append("lost")
    with pytest.raises(Unavailable):
        await table.close([Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED))], NOW)
    assert "is failed" not in caplog.text
    await after_closing(storage_app)
    assert f"Task {record(1).task_id} is failed" in caplog.text
    found = await storage_app.statistics.read(NOW, days=2, hours=2)
    assert [dict(states) for day in found.days.values() for states in day.values()] == [{"failed": 1}]
    await after_closing(storage_app)
    assert caplog.text.count("is failed") == 1


async def test_what_was_never_written_is_not_logged_and_stays_open(storage_app, monkeypatch, caplog, calls):
    table = storage_app.table
    await inserted(table, record(1))
    closing = Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED))

    async def unavailable(*_):
        raise Unavailable("writing")

    with monkeypatch.context() as patch:
        patch.setattr(table_module, "apply_units", unavailable)
        with pytest.raises(Unavailable):
            await table.close([closing], NOW)
    await after_closing(storage_app)
    assert "is failed" not in caplog.text
    assert await table.close([closing], NOW) == [True]
    await after_closing(storage_app)
    assert caplog.text.count("is failed") == 1
    calls.clear()
    await after_closing(storage_app)
    assert calls == [], "nothing is in doubt"


async def test_an_end_that_the_table_writes_late_is_logged_and_counted_all_the_same(storage_app, monkeypatch, caplog):
    table = storage_app.table
    await inserted(table, record(1))
    late = []

    async def gives_up(client, units):
        late.append(units)
        raise Unavailable("writing")

    with monkeypatch.context() as patch:
        patch.setattr(table_module, "apply_units", gives_up)
        with pytest.raises(Unavailable):
            await table.close([Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED))], NOW)
    await after_closing(storage_app)
    await apply_units(table._client, late[0])
    await after_closing(storage_app)
    assert caplog.text.count("is failed") == 1
    assert storage_app.table._in_doubt.keys() == []


async def test_an_end_that_was_not_written_within_a_minute_never_is(storage_app, monkeypatch, calls):
    table = storage_app.table
    await inserted(table, record(1))

    async def gives_up(*_):
        raise Unavailable("writing")

    monkeypatch.setattr(table_module, "apply_units", gives_up)
    monkeypatch.setattr(tally_module, "_LATE_SECONDS", -1.0)
    with pytest.raises(Unavailable):
        await table.close([Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED))], NOW)
    for expected in (1, 0):
        calls.clear()
        await after_closing(storage_app)
        assert len(calls) == expected


async def test_an_end_that_another_process_wrote_is_its_own_affair(storage_app, caplog):
    await inserted(storage_app.table, record(1))
    closing = Closing(task_id=record(1).task_id, outcome=Outcome(state=TaskState.FAILED))
    others = [app_on(storage_app.clients, storage_app.settings) for _ in range(5)]
    firsts = await asyncio.gather(*(one.table.close([closing], NOW) for one in others))
    assert sorted(firsts) == [[False]] * 4 + [[True]]
    assert caplog.text.count("is failed") == 1
    assert sum(one.tally.take().days.total() for one in others) == 1


async def test_a_record_that_was_closed_cannot_be_changed_by_who_read_it_open(table):
    (stored,) = await inserted(table, record())
    await table.close([Closing(task_id=record().task_id, outcome=Outcome(state=TaskState.SUCCEEDED))], NOW)
    assert await table.update([Change(stored, replace(stored.record, state=TaskState.SUBMITTED))]) == [None]


async def test_open_work_is_found_over_several_days_and_only_what_was_asked_for(table):
    records = [record(number, day=day) for day in range(3) for number in range(4)]
    await inserted(table, *records)
    asked = [records[0].task_id, records[3].task_id, records[5].task_id, "not-ours"]
    assert set(await table.open_among(asked)) == set(asked[:3])
    assert await table.open_among([]) == {}


@pytest.mark.parametrize("unknown", ["", "task-1", "../x", "20261123T080102-nobody-0123456789abcdef"])
async def test_an_unknown_task_is_said_to_be_unknown(table, unknown):
    with pytest.raises(RecordNotFound, match="task"):
        await table.get(unknown)


async def test_a_missing_table_is_not_taken_for_a_record_that_is_there(storage_app, environment):
    await storage_app.clients.tables.delete_table(environment["TABLE_NAME"])
    with pytest.raises(Missing, match="TableNotFound"):
        await storage_app.table.insert([record()])


async def test_jobs_are_noted_once_and_keep_what_is_not_changed(storage_app):
    registry = storage_app.registry
    job = JobEntry(job_id="files-1", day=NOW.date(), number=1, takes_tasks=True)
    await registry.add(job)
    (noted,) = await registry.jobs()
    assert await registry.note_progress(noted, NOW)
    # Sent back meanwhile, it stays sent back.
    assert not await registry.note_progress(noted, NOW + timedelta(hours=1))
    await registry.add(job)
    await registry.note_full(job)
    assert await registry.jobs() == [replace(job, takes_tasks=False, watermark=NOW)]
    await registry.remove("files-1")
    assert await registry.jobs() == []


async def test_transactions_that_delete_say_which_were_applied(storage_app):
    client = storage_app.clients.tables.get_table_client(storage_app.settings.table_name)
    entities = [{"PartitionKey": "p", "RowKey": str(number)} for number in range(3)]
    for entity in entities[:2]:
        await client.create_entity(entity)
    assert await apply_units(client, [[("delete", entity)] for entity in entities]) == ["", "", None]


@pytest.mark.parametrize("question", ["open_among", "records_among", "recorded_among"])
async def test_what_lies_between_the_tasks_that_are_asked_for_is_not_kept_in_memory(monkeypatch, question):
    last = 3000
    asked = [record(1).task_id, record(last).task_id]
    entity_of = open_entity if question == "open_among" else record_entity

    async def all_of_the_day(_, select=None):
        for number in range(last + 1):
            entity = TableEntity(entity_of(record(number)))
            entity._metadata = {"etag": "e"}
            yield entity

    table = StateTable(None, Tally())
    monkeypatch.setattr(table, "_between", all_of_the_day)
    tracemalloc.start()
    try:
        found = await getattr(table, question)(asked)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(found) == set(asked)
    assert most < 200 * 1024
