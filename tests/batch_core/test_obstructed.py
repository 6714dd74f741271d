"""What a listing shows is not always a file that can be read: each kind waits, is rejected, or is no file at all."""

from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties, StandardBlobTier

from batch_core.app import App
from batch_core.cancel import cancel
from batch_core.errors import Conflict, NotAFile, Unavailable
from batch_core.naming import BlobVersion, task_id
from batch_core.obstacle import Obstacle
from batch_core.obstructed import ARCHIVED_PAUSE, REHYDRATING_PAUSE
from batch_core.poison import take_poison
from batch_core.reconcile import reconcile
from batch_core.retry import retry
from batch_core.services.input_blob import obstacle_of
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.submit import submit
from batch_core.sweep import sweep
from batch_core.tidy import tidy
from tests.batch_core.steps import TRIGGER, collected, dropped, later, record_of, recorded_only, submitted, tasks_of
from tests.batch_core.test_poison import message, records


async def set_tier(app: App, name: str, tier: str) -> None:
    """Archive or rehydrate a file; Azurite does either at once."""
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, name)
    await blob.set_standard_blob_tier(StandardBlobTier(tier))


async def archived(app: App, name: str, content: bytes = b"text") -> BlobVersion:
    await dropped(app, name, content)
    await set_tier(app, name, "Archive")
    return await app.inputs.version_of(name)


async def waiting(app: App, name: str = "old.txt") -> TaskRecord:
    """Submit an archived file as the trigger does."""
    (submission,) = await submit(app, [await archived(app, name)], detected_by=TRIGGER)
    return submission.record


async def test_an_archived_file_waits_with_its_reason_and_batch_is_not_asked(app, calls):
    version = await archived(app, "old.txt")
    calls.clear()
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    record = submission.record
    assert (record.state, record.obstacle, record.reason) == (
        TaskState.QUEUED,
        Obstacle.ARCHIVED,
        Obstacle.ARCHIVED.sentence,
    )
    assert "rehydrate it" in record.reason
    assert record.next_attempt_at - record.recorded_at >= ARCHIVED_PAUSE
    assert {call.service for call in calls} == {"table"}


async def test_the_sweep_records_archived_files_once_and_looks_at_none_of_them_again(app, calls):
    for number in range(3):
        await archived(app, f"{number}.txt")
    assert (await sweep(later(app, minutes=5))).submitted == 3
    assert {record.obstacle for record in await records(app)} == {Obstacle.ARCHIVED}
    assert (await sweep(later(app, minutes=10))).submitted == 0
    calls.clear()
    await reconcile(later(app, minutes=20))
    assert [call for call in calls if call.service == "blob"] == []


async def test_it_goes_on_when_it_is_rehydrated_though_nothing_about_it_is_newer(app):
    record = await waiting(app)
    for hours in (2, 4):
        await reconcile(later(app, hours=hours))
        assert (await record_of(app, record.task_id)).state is TaskState.QUEUED
    await set_tier(app, "old.txt", "Hot")
    version = await app.inputs.version_of("old.txt")
    assert (version.etag, version.last_modified) == (record.blob_etag, record.blob_last_modified)
    await reconcile(later(app, hours=6))
    ended = await collected(app, record.task_id)
    assert (ended.state, ended.obstacle, ended.reason, ended.next_attempt_at) == (TaskState.SUCCEEDED, None, None, None)
    assert len(await tasks_of(app)) == 1


async def test_submitting_it_by_hand_looks_at_once(app):
    record = await waiting(app)
    await set_tier(app, "old.txt", "Cool")
    version = await app.inputs.version_of("old.txt")
    (submission,) = await submit(app, [version], detected_by=DetectedBy.HTTP, is_urgent=True)
    assert (submission.is_new, submission.record.state) == (False, TaskState.SUBMITTED)
    assert submission.record.task_id == record.task_id


async def test_while_it_is_being_rehydrated_it_says_so_and_is_looked_at_more_often(app, monkeypatch):
    record = await waiting(app)
    version_of = app.inputs.version_of

    # Azurite rehydrates at once.
    async def rehydrating(name):
        return replace(await version_of(name), obstacle=Obstacle.REHYDRATING)

    monkeypatch.setattr(app.inputs, "version_of", rehydrating)
    soon = later(app, hours=2)
    await reconcile(soon)
    record = await record_of(app, record.task_id)
    assert record.reason == Obstacle.REHYDRATING.sentence
    assert record.next_attempt_at <= soon.now() + REHYDRATING_PAUSE


async def test_a_file_that_was_replaced_while_archived_is_left_to_its_new_version(app):
    record = await waiting(app)
    await app.clients.blobs.get_blob_client(app.settings.input_container, "old.txt").delete_blob()
    new = await submitted(app, "old.txt", b"new")
    await reconcile(later(app, hours=2))
    record = await record_of(app, record.task_id)
    assert record.state is TaskState.REJECTED
    assert "has a new version" in record.reason
    assert (await collected(app, new.task_id)).state is TaskState.SUCCEEDED


async def test_a_file_that_was_deleted_while_archived_is_reported_as_such(app):
    record = await waiting(app)
    await app.clients.blobs.get_blob_client(app.settings.input_container, "old.txt").delete_blob()
    await reconcile(later(app, hours=2))
    record = await record_of(app, record.task_id)
    assert record.state is TaskState.REJECTED
    assert "there is no blob 'old.txt'" in record.reason


async def test_trouble_with_looking_is_reported_and_it_is_looked_at_again(app, monkeypatch):
    record = await waiting(app)

    async def unavailable(_):
        raise Unavailable("reading the properties", status=503)

    with monkeypatch.context() as patch:
        patch.setattr(app.inputs, "version_of", unavailable)
        await reconcile(later(app, hours=2))
    waits = await record_of(app, record.task_id)
    assert (waits.state, waits.obstacle) == (TaskState.QUEUED, Obstacle.ARCHIVED)
    assert "HTTP 503" in waits.reason
    await set_tier(app, "old.txt", "Hot")
    await reconcile(later(app, hours=4))
    assert (await record_of(app, record.task_id)).state is TaskState.SUBMITTED


async def test_what_stopped_right_after_the_record_goes_on_waiting(app):
    stored = await recorded_only(app, await archived(app, "old.txt"))
    await reconcile(later(app, minutes=5))
    record = await record_of(app, stored.record.task_id)
    assert (record.state, record.reason) == (TaskState.QUEUED, Obstacle.ARCHIVED.sentence)


async def test_a_poison_message_about_an_archived_file_is_done(app):
    version = await archived(app, "old.txt")
    for _ in range(2):
        await take_poison(app, message(app, "old.txt"))
    assert (await record_of(app, task_id(version))).obstacle is Obstacle.ARCHIVED


async def test_one_that_waits_to_be_rehydrated_can_be_cancelled(app):
    record = await waiting(app)
    await cancel(app, record.task_id)
    await set_tier(app, "old.txt", "Hot")
    await reconcile(later(app, minutes=30))
    await reconcile(later(app, hours=2))
    assert (await record_of(app, record.task_id)).state is TaskState.CANCELLED
    assert await tasks_of(app) == []


async def test_one_that_waits_for_days_holds_no_job_and_goes_on_in_a_job_of_its_day(app, calls):
    record = await waiting(app)
    await submitted(app, "other.txt")
    await collected(app, (await submitted(app, "other.txt")).task_id)
    assert (await tidy(later(app, days=2))).terminated == [record.job_id]
    assert (await tidy(later(app, days=20))).deleted == [record.job_id]
    calls.clear()
    await reconcile(later(app, days=20))
    assert [call for call in calls if call.service == "batch"] == []
    await set_tier(app, "old.txt", "Hot")
    await reconcile(later(app, days=21))
    record_now = await record_of(app, record.task_id)
    assert record_now.job_id not in {"", record.job_id}
    assert (await collected(app, record.task_id)).state is TaskState.SUCCEEDED


async def test_a_new_attempt_at_a_file_that_was_archived_since_waits(app):
    record = await collected(app, (await submitted(app, "a.txt")).task_id)
    await set_tier(app, "a.txt", "Archive")
    submission = await retry(app, record.task_id)
    assert (submission.record.state, submission.record.obstacle) == (TaskState.QUEUED, Obstacle.ARCHIVED)


async def test_many_archived_files_are_written_down_together(app, calls):
    versions = [await archived(app, f"{number}.txt") for number in range(20)]
    calls.clear()
    await submit(app, versions, detected_by=DetectedBy.SWEEP)
    assert len(calls) < len(versions)


FOLDER = {"hdi_isfolder": "true"}


async def marked(app: App, name: str, metadata: dict[str, str], content: bytes = b"") -> None:
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, name)
    await blob.upload_blob(content, metadata=metadata)


@pytest.mark.parametrize("metadata", [FOLDER, {"Hdi_IsFolder": "True"}], ids=str)
async def test_the_marker_of_a_folder_is_no_file(app, metadata):
    await marked(app, "folder", metadata)
    inside = await dropped(app, "folder/a.txt")
    report = await sweep(later(app, minutes=5))
    assert (report.listed, report.submitted) == (1, 1)
    await take_poison(app, message(app, "folder"))
    with pytest.raises(NotAFile, match="'folder' marks a folder: name a file in it"):
        await app.inputs.version_of("folder")
    assert [record.blob for record in await records(app)] == [inside.name]


@pytest.mark.parametrize(
    ("metadata", "content"), [(FOLDER, b"text"), ({"hdi_isfolder": "false"}, b""), ({}, b"")], ids=str
)
async def test_what_only_looks_like_a_marker_is_a_file(app, metadata, content):
    await marked(app, "file", metadata, content)
    assert (await sweep(later(app, minutes=5))).submitted == 1


async def test_a_snapshot_is_no_second_file_and_a_leased_file_is_one(app):
    version = await dropped(app, "a.txt")
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, "a.txt")
    await blob.create_snapshot()
    await blob.acquire_lease()
    report = await sweep(later(app, minutes=5))
    assert (report.listed, report.submitted) == (1, 1)
    assert (await collected(app, task_id(version))).state is TaskState.SUCCEEDED


@pytest.mark.parametrize("kind", ["AppendBlob", "PageBlob"])
async def test_blobs_of_every_type_are_files(app, kind):
    content = b"t" * 512
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, kind)
    await blob.upload_blob(content, blob_type=kind)
    await sweep(later(app, minutes=5))
    record = await collected(app, task_id(await app.inputs.version_of(kind)))
    assert (record.state, record.blob_size) == (TaskState.SUCCEEDED, len(content))


def properties(**known: object) -> BlobProperties:
    """What the SDK makes of an answer; by the headers' names where it reads headers."""
    return BlobProperties(**{"name": "a.txt", "Content-Length": 0} | known)


@pytest.mark.parametrize(
    ("known", "obstacle"),
    [
        ({}, None),
        ({"x-ms-access-tier": "Cold"}, None),
        ({"x-ms-access-tier": "Archive"}, Obstacle.ARCHIVED),
        (
            {"x-ms-access-tier": "Archive", "x-ms-archive-status": "rehydrate-pending-to-cold"},
            Obstacle.REHYDRATING,
        ),
        ({"x-ms-copy-status": "success"}, None),
        ({"x-ms-copy-status": "failed"}, Obstacle.BROKEN_COPY),
        ({"x-ms-copy-status": "aborted"}, Obstacle.BROKEN_COPY),
        ({"x-ms-copy-status": "aborted", "Content-Length": 4}, None),
        ({"x-ms-incremental-copy": True}, Obstacle.INCREMENTAL_COPY),
        ({"x-ms-encryption-key-sha256": "c2hh"}, Obstacle.CUSTOMER_KEY),
        ({"name": "a/../b"}, Obstacle.NAME),
        ({"name": "a/../b", "x-ms-access-tier": "Archive"}, Obstacle.NAME),
    ],
    ids=str,
)
def test_every_obstacle_is_seen_in_the_properties(known, obstacle):
    blob = properties(**known)
    blob.name = known.get("name", "a.txt")
    assert obstacle_of(blob) is obstacle


@pytest.mark.parametrize("obstacle", [one for one in Obstacle if not one.may_pass])
async def test_what_can_never_be_read_is_rejected_at_once_with_its_reason(app, obstacle):
    version = replace(await dropped(app, "a.txt"), obstacle=obstacle)
    (submission,) = await submit(app, [version], detected_by=TRIGGER)
    record = submission.record
    assert (record.state, record.reason) == (TaskState.REJECTED, obstacle.sentence)
    assert await tasks_of(app) == []
    assert not await app.table.open_among([record.task_id])


async def test_a_blob_with_a_key_of_its_own_is_known_by_the_listing(app, monkeypatch):
    """Azurite takes such keys over HTTPS only: the service's answers are said to be the documented ones."""
    await dropped(app, "a.txt")

    class Encrypted:
        async def get_blob_properties(self):
            error = HttpResponseError("The blob is encrypted with customer specified encryption")
            error.status_code, error.error_code = 409, "BlobUsesCustomerSpecifiedEncryption"
            raise error

    monkeypatch.setattr(app.inputs, "_blob", lambda _: Encrypted())
    # The listing does not show a key: so the answer explains nothing.
    with pytest.raises(Conflict):
        await app.inputs.version_of("a.txt")
    listed = app.inputs._listed

    async def with_key(name):
        found = await listed(name)
        return replace(found, version=replace(found.version, obstacle=Obstacle.CUSTOMER_KEY))

    monkeypatch.setattr(app.inputs, "_listed", with_key)
    assert (await app.inputs.version_of("a.txt")).obstacle is Obstacle.CUSTOMER_KEY
