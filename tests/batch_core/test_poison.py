import json
import logging
from dataclasses import replace

import pytest

from batch_core.app import App
from batch_core.errors import Refused, SettingsError, Unavailable
from batch_core.naming import task_id
from batch_core.poison import take_or_leave, take_poison
from batch_core.state.record import DetectedBy, TaskRecord, TaskState
from batch_core.sweep import sweep
from tests.batch_core.steps import collected, dropped, later, record_of, recorded_only, submitted, tasks_of
from tests.batch_emulator.control_client import faults


def message(app: App, name: str, container: str | None = None) -> bytes:
    """What the host writes when it gives an event up."""
    document = {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.submit_blob",
        "BlobType": "BlockBlob",
        "ContainerName": container or app.settings.input_container,
        "BlobName": name,
        "ETag": '"0x8D0"',
    }
    return json.dumps(document).encode()


async def records(app: App) -> list[TaskRecord]:
    """Read every record that is open or was ever made."""
    entities = [entity async for entity in app.table._client.list_entities() if entity.get("state")]
    return [await record_of(app, entity["task_id"]) for entity in entities]


def with_blob_trouble(app: App, error: Exception) -> App:
    class Inputs:
        async def version_of(self, name):
            raise error

    return replace(app, inputs=Inputs())


async def test_a_file_without_a_record_is_submitted(app):
    version = await dropped(app, "a.txt")
    await take_poison(app, message(app, "a.txt"))
    record = await record_of(app, task_id(version))
    assert (record.state, record.detected_by) == (TaskState.SUBMITTED, DetectedBy.TRIGGER)


async def test_a_queued_file_whose_trouble_has_passed_is_handed_over(app):
    stored = await recorded_only(app, await dropped(app, "a.txt"))
    await take_poison(app, message(app, "a.txt"))
    assert (await record_of(app, stored.record.task_id)).state is TaskState.SUBMITTED


async def test_a_file_that_waits_for_its_next_attempt_is_left_waiting(app, pauses, caplog):
    async with faults(app.settings.batch.endpoint, {"operation": "create_job", "answer": {"status": 503}}):
        record = await submitted(app)
    await take_poison(app, message(app, "a.txt"))
    assert await record_of(app, record.task_id) == record
    assert "says where the file is" in caplog.text


async def test_trouble_with_batch_is_on_the_record_and_the_message_is_done(app, pauses):
    version = await dropped(app, "a.txt")
    async with faults(app.settings.batch.endpoint, {"operation": "create_job", "answer": {"status": 503}}):
        await take_poison(app, message(app, "a.txt"))
    record = await record_of(app, task_id(version))
    assert (record.state, record.next_attempt_at is not None) == (TaskState.QUEUED, True)


async def test_a_file_with_its_final_state_is_left_alone(app):
    record = await collected(app, (await submitted(app)).task_id)
    await take_poison(app, message(app, "a.txt"))
    assert await record_of(app, record.task_id) == record
    assert len(await tasks_of(app)) == 1


@pytest.mark.parametrize(
    "error", [Unavailable("reading", status=503), Refused("reading", status=400, code="InvalidUri")], ids=repr
)
async def test_while_storage_does_not_say_what_the_file_is_the_message_stays(app, error):
    with pytest.raises(type(error)):
        await take_poison(with_blob_trouble(app, error), message(app, "a.txt"))
    assert await records(app) == []


async def test_the_handler_does_not_fail_for_trouble_but_reports_it_and_the_sweep_takes_the_file(app, caplog):
    version = await dropped(app, "a.txt")
    out_of_reach = with_blob_trouble(app, Unavailable("reading the properties", status=503))
    await take_or_leave(lambda: out_of_reach, message(app, "a.txt"))
    assert "a.txt" in caplog.text
    assert "reading the properties failed (HTTP 503)" in caplog.text
    assert await records(app) == []
    await sweep(later(app, minutes=5))
    assert (await record_of(app, task_id(version))).state is TaskState.SUBMITTED


async def test_the_handler_does_not_fail_for_wrong_settings_either(caplog):
    def process_app():
        raise SettingsError(["BATCH_ENDPOINT is missing"])

    await take_or_leave(process_app, b'{"BlobName": "a\nb.txt"}')
    assert "BATCH_ENDPOINT is missing" in caplog.text
    assert r"a\nb.txt" in caplog.text


async def test_a_file_that_is_gone_is_only_reported(app, caplog):
    caplog.set_level(logging.INFO)
    await take_poison(app, message(app, "no such file.txt"))
    assert await records(app) == []
    assert "There is no file to take: there is no blob" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"null", b"{}", b'{"ContainerName": 1, "BlobName": 2}', b'{"BlobName": "a"}']
)
async def test_a_message_that_says_nothing_is_reported_and_done(app, content, caplog):
    await take_poison(app, content)
    assert await records(app) == []
    assert "A poison message is" in caplog.text


async def test_a_file_that_the_app_does_not_take_by_itself_is_not_taken_from_the_poison_queue(app, caplog):
    caplog.set_level(logging.INFO)
    intake = replace(app.settings.intake, skip_empty=True)
    await dropped(app, "empty.txt", b"")
    await take_poison(replace(app, settings=replace(app.settings, intake=intake)), message(app, "empty.txt"))
    assert await records(app) == []
    assert "The settings say to leave blob 'empty.txt' alone" in caplog.text


async def test_a_message_about_another_container_is_none_of_ours(app):
    await dropped(app, "a.txt")
    await take_poison(app, message(app, "a.txt", container="another"))
    assert await records(app) == []
