"""Names with parts `.` and `..`: no URL made of one is sent, and their files are rejected, once, with a reason."""

import asyncio
import json
from dataclasses import replace

import pytest
from azure.storage.blob.aio import BlobServiceClient
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from batch_core.app import App, app_on
from batch_core.errors import BlobNotFound, Refused
from batch_core.naming import has_dot_segment, output_name, task_id
from batch_core.obstacle import Obstacle
from batch_core.poison import take_poison
from batch_core.reconcile import reconcile
from batch_core.services.input_container import InputContainer
from batch_core.services.output_container import OutputContainer
from batch_core.services.signing import Signer
from batch_core.state.record import DetectedBy, TaskState
from batch_core.submit import submit, submit_again
from batch_core.sweep import sweep
from tests.batch_core.steps import (
    TRIGGER,
    collected,
    dropped,
    later,
    new_record,
    outputs,
    record_of,
    recorded_only,
    task_of,
    tasks_of,
)
from tests.batch_core.test_poison import message, records
from tests.raw_blobs import DOT_NAMES, account_sas, put_raw


@pytest.fixture
async def unsigned(app: App):
    """The app with a credential that signs no path, as a managed identity's token does not."""
    blobs = BlobServiceClient(app.clients.blobs.url, credential=account_sas(app.clients.blobs))
    async with blobs:
        yield app_on(replace(app.clients, blobs=blobs), app.settings)


async def inputs_of(app: App) -> list[str]:
    container = app.clients.blobs.get_container_client(app.settings.input_container)
    return [name async for name in container.list_blob_names()]


async def test_the_sweep_rejects_each_of_them_once_and_takes_all_others(app):
    for name in DOT_NAMES:
        await put_raw(app.clients.blobs, app.settings.input_container, name)
    good = await dropped(app, "good.txt")
    assert (await sweep(later(app, minutes=5))).submitted == len(DOT_NAMES) + 1
    for days in (1, 2):
        assert (await sweep(later(app, days=days))).submitted == 0
    found = {record.blob: record for record in await records(app)}
    assert found.pop(good.name).state is TaskState.SUBMITTED
    assert found.keys() == set(DOT_NAMES)
    assert {(one.state, one.reason, one.closed_at is not None) for one in found.values()} == {
        (TaskState.REJECTED, Obstacle.NAME.sentence, True)
    }
    assert len(await tasks_of(app)) == 1


@pytest.mark.parametrize("name", DOT_NAMES)
async def test_however_such_a_file_comes_it_has_one_record(app, name):
    await put_raw(app.clients.blobs, app.settings.input_container, name)
    version = await app.inputs.version_of(name)
    await submit(app, [version], detected_by=TRIGGER)
    for days in (0, 1, 2):
        await take_poison(later(app, days=days), message(app, name))
        await sweep(later(app, days=days, minutes=5))
    await submit(later(app, days=3), [await app.inputs.version_of(name)], detected_by=DetectedBy.HTTP, is_urgent=True)
    (record,) = await records(app)
    assert (record.task_id, record.state, record.obstacle) == (task_id(version), TaskState.REJECTED, Obstacle.NAME)
    assert await tasks_of(app) == []


async def test_an_attempt_by_force_is_rejected_too(app):
    await put_raw(app.clients.blobs, app.settings.input_container, "../x")
    submission = await submit_again(app, await app.inputs.version_of("../x"), detected_by=DetectedBy.HTTP)
    assert submission.record.state is TaskState.REJECTED


@pytest.mark.parametrize("name", [*DOT_NAMES, "..\\output\\x", "a\\..\\b"])
async def test_no_credential_lets_a_name_out_of_its_container(unsigned, name, calls):
    inputs, outs = unsigned.inputs, unsigned.outputs
    for attempt in (
        lambda: outs.write(name, b"leaked"),
        lambda: outs.stage(name, "YQ==", b"leaked"),
        lambda: outs.commit(name, []),
        lambda: outs.size_of(name),
        lambda: outs.blocks_of(name),
        lambda: inputs.sas_url(name, unsigned.settings.task.input_sas_lifetime),
    ):
        with pytest.raises(Refused, match=r"a part '\.' or '\.\.'"):
            await attempt()
    with pytest.raises(Refused):
        inputs.url(name)
    # Nothing was sent.
    assert calls == []
    with pytest.raises(BlobNotFound):
        await inputs.version_of(name)


async def test_a_file_in_the_place_that_a_name_leads_to_is_not_mistaken_for_it(unsigned):
    await unsigned.outputs.write("x.txt", b"secret")
    name = f"../{unsigned.settings.output_container}/x.txt"
    with pytest.raises(BlobNotFound):
        await unsigned.inputs.version_of(name)
    await put_raw(unsigned_key_client(unsigned), unsigned.settings.input_container, name, b"four")
    assert ((await unsigned.inputs.version_of(name)).size, await inputs_of(unsigned)) == (4, [name])


def unsigned_key_client(app: App) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(app.settings.storage.connection_string)


async def test_what_an_older_release_has_submitted_gets_its_output_in_the_output_container(app, unsigned):
    """Such a task ran; its output landed in the input container, or was refused forever."""
    name = f"../{unsigned.settings.input_container}/x.txt"
    readable = await dropped(unsigned, "readable.txt", b"printed")
    (stored,) = await unsigned.table.insert([await new_record(unsigned, replace(readable, name=name))])
    record = stored.record
    await unsigned.jobs.make(record.job_id)
    task = await task_of(app, replace(record, blob="readable.txt"))
    await unsigned.batch.add_tasks(record.job_id, [task])
    ended = await collected(unsigned, record.task_id)
    assert (ended.state, ended.stdout) == (TaskState.SUCCEEDED, output_name(name, record.task_id, "stdout.txt"))
    assert ended.stdout.startswith("%2E%2E/")
    assert ended.stdout in await outputs(unsigned)
    assert await inputs_of(unsigned) == ["readable.txt"]


async def test_what_an_older_release_left_queued_is_rejected(app):
    version = await dropped(app, "readable.txt")
    stored = await recorded_only(app, replace(version, name="a/../b.txt"))
    await reconcile(later(app, minutes=5))
    record = await record_of(app, stored.record.task_id)
    assert (record.state, record.reason) == (TaskState.REJECTED, Obstacle.NAME.sentence)


@pytest.mark.parametrize("name", ["\ud800.txt", "", "n" * 1025, "\N{GRINNING FACE}" * 513, "nul\0.txt"])
async def test_a_poison_message_about_what_no_blob_is_called_is_reported_and_done(app, name, caplog):
    body = json.dumps({"ContainerName": app.settings.input_container, "BlobName": name}).encode()
    await take_poison(app, body)
    assert await records(app) == []
    assert "which no blob is called" in caplog.text


async def test_a_name_that_storage_refuses_to_look_at_is_no_blob_if_the_listing_has_none(app, monkeypatch):
    blob = type("Blob", (), {"get_blob_properties": refusing})()
    monkeypatch.setattr(app.inputs, "_blob", lambda _: blob)
    with pytest.raises(BlobNotFound):
        await app.inputs.version_of("a.txt")
    await app.clients.blobs.get_blob_client(app.settings.input_container, "a.txt").upload_blob(b"text")
    with pytest.raises(Refused, match="InvalidUri"):
        await app.inputs.version_of("a.txt")


async def refusing(_):
    await asyncio.sleep(0)
    raise Refused("reading", status=400, code="InvalidUri")


parts = st.one_of(st.sampled_from([".", "..", "...", "", "%2E", "%2e%2e", "\\", "a", "?", "#", ";"]), st.text())
names = st.lists(parts, min_size=1, max_size=8).map("/".join).filter(lambda name: name and name.isprintable())


@given(names)
@example("n" * 730 + "/..hidden")
@example("n" * 731 + "/.hidden")
@example("n" * 719 + "/" * 12 + "..")
@example("/".join([".."] * 400))
def test_the_url_of_every_output_stays_where_its_name_says(name):
    output = output_name(name, "20261123T080102-x-0123456789abcdef", "stdout.txt")
    assert f"/{output_name(name, 't', 'stdout.txt')}".endswith("/t/stdout.txt")
    assert not has_dot_segment(output)
    client = BlobServiceClient("https://account.blob.core.windows.net")
    signer = Signer(client)
    for container in (InputContainer(client, "c", signer), OutputContainer(client, "c", signer)):
        # yarl resolves dots, encoded or not, as every client that follows the WHATWG's URL standard does.
        assert URL(container._blob(output).url).path == f"/c/{output}"
