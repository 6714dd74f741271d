import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from batch_core.app import open_app
from batch_core.clocks import CLOCK_MARGIN
from batch_core.config.routes import settings_route
from batch_core.config.settings import Settings
from batch_core.errors import NotNow, Unavailable
from batch_core.http.replies import record_reply
from batch_core.naming import MAX_ATTEMPT, BlobVersion, table_keys, task_id
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.task import batch_task
from tests.batch_core.steps import (
    TRIGGER,
    accepted_only,
    closed,
    deleted,
    dropped,
    new_record,
    recorded_only,
    task_of,
    tasks_of,
)


async def test_a_file_becomes_one_task_and_a_submitted_record(app):
    version = await dropped(app, "Größe $(touch x).txt", b"text")
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    assert submission.is_new
    assert submission.record.state is TaskState.SUBMITTED
    assert submission.record == (await app.table.get(task_id(version))).record
    assert await tasks_of(app) == [(submission.record.job_id, task_id(version))]


async def test_the_files_name_reaches_the_task_only_through_its_environment(app):
    version = await dropped(app, "Größe $(touch x).txt", b"text")
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    task = await app.clients.batch.get_task(submission.record.job_id, submission.record.task_id)
    assert task.command_line == "/bin/bash -c 'cat \"$INPUT_FILE\"'"
    assert task.resource_files[0].file_path == "input/Gro_e_touch_x_.txt"
    assert {one.name: one.value for one in task.environment_settings} == {
        "INPUT_FILE": "input/Gro_e_touch_x_.txt",
        "INPUT_BLOB": "Größe $(touch x).txt",
        "INPUT_CONTAINER": app.settings.input_container,
    }
    assert task.constraints.retention_time == timedelta(days=7)
    assert task.constraints.max_wall_clock_time == timedelta(days=1)


async def test_the_node_may_read_this_one_blob_for_the_set_time_and_nothing_else(app):
    version = await dropped(app, "a b.txt", b"text")
    record = (await submit(app, [version], detected_by=TRIGGER))[0].record
    url = (await task_of(app, record)).resources[0].url
    query = parse_qs(urlsplit(url).query)
    assert query["sp"] == ["r"]
    assert query["sr"] == ["b"]
    lifetime = datetime.fromisoformat(query["se"][0]) - datetime.now(UTC)
    # By Storage's clock, too, if that is ahead of ours.
    assert timedelta(days=6, hours=23) < lifetime - CLOCK_MARGIN <= timedelta(days=7)
    assert query["sig"][0] not in record_reply(record).body.decode()


async def test_a_pool_identity_reads_the_input_without_a_signature(app):
    version = await dropped(app, "a.txt", b"text")
    record = (await submit(app, [version], detected_by=TRIGGER))[0].record
    settings = replace(app.settings.task, identity_resource_id="/subscriptions/s/identity")
    task = await batch_task(record, settings_route(app.settings), settings, app.inputs, app.outputs)
    assert task.resources[0].identity_resource_id == "/subscriptions/s/identity"
    assert "sig=" not in task.resources[0].url


async def test_the_same_version_again_is_the_same_task(app):
    version = await dropped(app, "a.txt", b"text")
    (first,) = await submit(app, [version], detected_by=TRIGGER)
    (second,) = await submit(app, [version], detected_by=DetectedBy.HTTP)
    assert (second.is_new, second.record) == (False, first.record)
    assert len(await tasks_of(app)) == 1


async def test_an_overwritten_file_is_a_second_task(app):
    for content in (b"one", b"two"):
        await submit(app, [await dropped(app, "a.txt", content)], detected_by=TRIGGER)
    assert len(await tasks_of(app)) == 2


async def test_one_event_delivered_many_times_at_once_to_two_instances_is_one_task(app):
    version = await dropped(app, "a.txt", b"text")
    other = open_app(app.settings)
    submissions = await asyncio.gather(
        *(submit(one, [version], detected_by=TRIGGER) for one in (app, other) for _ in range(10))
    )
    await other.clients.close()
    assert sum(submission.is_new for (submission,) in submissions) == 1
    assert {submission.record.task_id for (submission,) in submissions} == {task_id(version)}
    assert len(await tasks_of(app)) == 1
    assert (await app.table.get(task_id(version))).record.state is TaskState.SUBMITTED


async def test_many_files_are_handed_over_in_few_calls(app, calls):
    versions = [await dropped(app, f"{number}.txt", b"text") for number in range(120)]
    calls.clear()
    submissions = await submit(app, versions, detected_by=TRIGGER)
    assert all(one.record.state is TaskState.SUBMITTED for one in submissions)
    assert [one.record.blob for one in submissions] == [version.name for version in versions]
    to_batch = [call for call in calls if call.service == "batch"]
    # The job, then 100 and 20 tasks.
    assert len(to_batch) == 3
    # What is paused, today's job (asked and noted), three transactions of insertions and two of changes; and of a new
    # day's first file one more, which finds that the day is not noted, and three that note it.
    assert len([call for call in calls if call.service == "table"]) == 12


async def test_the_calls_made_for_one_file(app, calls):
    await submit(app, [await dropped(app, "first.txt", b"makes the job")], detected_by=TRIGGER)
    version = await dropped(app, "a.txt", b"text")
    calls.clear()
    await submit(app, [await app.inputs.version_of(version.name)], detected_by=TRIGGER)
    assert [(call.service, call.method, call.path.rpartition("/")[2].partition("(")[0]) for call in calls] == [
        ("blob", "HEAD", "a.txt"),
        ("table", "POST", "$batch"),
        ("batch", "POST", "addtaskcollection"),
        ("table", "PATCH", app.settings.table_name),
    ]


async def test_an_app_that_stopped_before_it_called_batch_is_finished_by_the_next_delivery(app):
    version = await dropped(app, "a.txt", b"text")
    await recorded_only(app, version)
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    assert (submission.is_new, submission.record.state) == (False, TaskState.SUBMITTED)
    assert len(await tasks_of(app)) == 1


async def test_an_app_that_stopped_after_batch_accepted_makes_no_second_task(app):
    version = await dropped(app, "a.txt", b"text")
    await accepted_only(app, version)
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    assert submission.record.state is TaskState.SUBMITTED
    assert len(await tasks_of(app)) == 1


async def test_a_closed_job_is_followed_by_the_next_one(app):
    first = (await submit(app, [await dropped(app, "a.txt", b"a")], detected_by=TRIGGER))[0].record
    await closed(app, first.job_id)
    second = (await submit(app, [await dropped(app, "b.txt", b"b")], detected_by=TRIGGER))[0].record
    assert second.state is TaskState.SUBMITTED
    assert (first.job_id[-2:], second.job_id[-2:]) == ("-1", "-2")
    assert [(job.job_id[-2:], job.takes_tasks) for job in await app.registry.jobs()] == [("-1", False), ("-2", True)]
    # Another instance goes straight to the open one.
    other = open_app(app.settings)
    assert await other.jobs.current() == second.job_id
    await other.clients.close()


async def test_a_deleted_job_is_followed_by_the_next_one(app):
    first = (await submit(app, [await dropped(app, "a.txt", b"a")], detected_by=TRIGGER))[0].record
    await deleted(app, first.job_id)
    second = (await submit(app, [await dropped(app, "b.txt", b"b")], detected_by=TRIGGER))[0].record
    assert (second.state, second.job_id[-2:]) == (TaskState.SUBMITTED, "-2")


async def test_a_task_that_a_closed_job_has_already_is_not_added_to_the_next(app):
    version = await dropped(app, "a.txt", b"text")
    stored = await accepted_only(app, version)
    await closed(app, stored.record.job_id)
    other = open_app(app.settings)
    (submission,) = await submit(other, [version], detected_by=TRIGGER)
    await other.clients.close()
    assert (submission.record.state, submission.record.job_id) == (TaskState.SUBMITTED, stored.record.job_id)
    assert len(await tasks_of(app)) == 1


async def test_while_batch_is_out_of_reach_the_file_stays_queued_with_the_reason(app, environment):
    version = await dropped(app, "a.txt", b"text")
    cut_off = open_app(replace(app.settings, batch=Settings.from_env(environment).batch))
    (submission,) = await submit(cut_off, [version], detected_by=TRIGGER)
    await cut_off.clients.close()
    assert submission.record.state is TaskState.QUEUED
    assert submission.record.reason.startswith("creating job")
    assert "nothing listens on 127.0.0.1:9" in submission.record.reason
    assert submission.record.submit_tries == 1
    assert submission.record.next_attempt_at > submission.record.recorded_at
    # Before its time, only a person has it tried again.
    assert (await submit(app, [version], detected_by=TRIGGER))[0].record == submission.record
    (urgent,) = await submit(app, [version], detected_by=DetectedBy.HTTP, is_urgent=True)
    assert (urgent.record.state, urgent.record.next_attempt_at) == (TaskState.SUBMITTED, None)


async def test_an_item_that_batch_refuses_is_rejected_with_the_reason_and_the_others_go_on(app):
    good, bad = [await dropped(app, name, b"text") for name in ("good.txt", "bad.txt")]

    class Inputs:
        async def sas_url(self, blob, lifetime):
            return "not a URL" if blob == "bad.txt" else await app.inputs.sas_url(blob, lifetime)

    submissions = await submit(replace(app, inputs=Inputs()), [good, bad], detected_by=TRIGGER)
    assert [one.record.state for one in submissions] == [TaskState.SUBMITTED, TaskState.REJECTED]
    assert submissions[1].record.reason.startswith("adding task")
    assert not await app.table.open_among([submissions[1].record.task_id])


async def test_force_makes_a_new_attempt_each_time(app):
    version = await dropped(app, "a.txt", b"text")
    attempts = [await submit_again(app, version, detected_by=DetectedBy.HTTP) for _ in range(3)]
    assert [one.record.attempt for one in attempts] == [1, 2, 3]
    assert all(one.is_new and one.record.state is TaskState.SUBMITTED for one in attempts)
    assert len(await tasks_of(app)) == 3


async def test_a_reply_that_leaves_a_task_out_is_not_taken_for_success(app, monkeypatch):
    version = await dropped(app, "a.txt", b"text")

    async def silent(job_id, tasks):
        return {}

    monkeypatch.setattr(app.batch, "add_tasks", silent)
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    assert submission.record.state is TaskState.QUEUED
    assert "did not mention" in submission.record.reason


async def test_a_table_out_of_reach_is_an_error_and_nothing_is_submitted(app):
    version = await dropped(app, "a.txt", b"text")
    await app.clients.tables.delete_table(app.settings.table_name)
    with pytest.raises(Exception, match="TableNotFound") as caught:
        await submit(app, [version], detected_by=TRIGGER)
    assert not isinstance(caught.value, Unavailable)
    assert await tasks_of(app) == []


async def test_the_tenth_force_costs_as_many_calls_as_the_third(app, calls):
    version = await dropped(app, "a.txt")
    costs = []
    for _ in range(10):
        calls.clear()
        await submit_again(app, version, detected_by=DetectedBy.HTTP)
        costs.append(len(calls))
    assert len(set(costs[2:])) == 1
    assert (await app.table.newest_attempt(version)) == 10


async def test_a_removed_attempt_leaves_a_gap_that_no_later_one_fills(app):
    """Batch has the task of the removed record still: the same id would count as run."""
    version = await dropped(app, "a.txt")
    for _ in range(3):
        await submit_again(app, version, detected_by=DetectedBy.HTTP)
    keys = table_keys(task_id(version, 2))
    table = app.clients.tables.get_table_client(app.settings.table_name)
    await table.delete_entity(keys.partition, keys.row)
    assert (await submit_again(app, version, detected_by=DetectedBy.HTTP)).record.attempt == 4


async def test_many_forces_at_once_make_as_many_attempts(app):
    version = await dropped(app, "a.txt")
    made = await asyncio.gather(*(submit_again(app, version, detected_by=DetectedBy.HTTP) for _ in range(5)))
    assert sorted(one.record.attempt for one in made) == [1, 2, 3, 4, 5]
    assert len(await tasks_of(app)) == 5


@pytest.mark.parametrize("name", ["a'b.txt", "ü&%25+ x.txt", "日本.txt", "😀" * 400])
async def test_attempts_are_distinguished_from_those_at_other_files_of_the_same_second(storage_app, name):
    app = storage_app
    moment = datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC)
    facts = {"container": "c", "last_modified": moment, "size": 1}
    one, other = [BlobVersion(name=name, etag=etag, **facts) for etag in ("0x8D'E1", "0x8DE2")]
    namesake = BlobVersion(name=f"{name}x", etag=one.etag, **facts)
    records = [await new_record(app, version, attempt) for version, attempt in _attempts(one, other, namesake)]
    await app.table.insert(records)
    found = [await app.table.newest_attempt(version) for version in (one, other, namesake)]
    assert found == [12, 2, 30]
    assert await app.table.newest_attempt(BlobVersion(name=name, etag="0x8DE3", **facts)) == 0


def _attempts(one: BlobVersion, other: BlobVersion, namesake: BlobVersion) -> list[tuple[BlobVersion, int]]:
    return [*((one, number) for number in range(1, 13)), (other, 1), (other, 2), (namesake, 30)]


async def test_more_attempts_than_an_id_can_hold_are_refused_with_a_sentence(storage_app):
    version = await dropped(storage_app, "a.txt")
    await storage_app.table.insert([await new_record(storage_app, version, MAX_ATTEMPT)])
    with pytest.raises(NotNow, match=r"'a\.txt' has 9999 attempts"):
        await submit_again(storage_app, version, detected_by=DetectedBy.HTTP)
