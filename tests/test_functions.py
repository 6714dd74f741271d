"""What the functions add to `batch_core`: which files the trigger leaves alone, and the one line that a tick writes."""

import json
import logging
from types import SimpleNamespace

import azure.functions as func
import pytest
from azure.storage.blob import StandardBlobTier
from azure.storage.blob.aio import BlobClient

import function_app
from batch_core.errors import NotNow, Unavailable
from batch_core.poison import take_poison
from batch_core.state.record import TaskState
from batch_core.sweep import sweep
from tests.batch_core.conftest import app, pauses  # noqa: F401 - fixtures
from tests.batch_core.steps import dropped, later, record_of, tasks_of
from tests.batch_core.test_poison import message
from tests.batch_core.test_sweep import with_intake
from tests.batch_emulator.control_client import faults
from tests.raw_blobs import put_raw

TIMER = SimpleNamespace(past_due=False)


@pytest.fixture
def call(app, monkeypatch):  # noqa: F811
    """Calls one function of the app, as the host does; another app can be put in its place."""

    async def call(name, argument, app=app):
        monkeypatch.setattr(function_app, "process_app", lambda: app)
        return await getattr(function_app, name)._function.get_user_function()(argument)

    return call


def event(app, name, container=None):  # noqa: F811
    return SimpleNamespace(blob_name=name, container_name=container or app.settings.input_container)


@pytest.fixture
def pending(monkeypatch):
    """Azurite's copies are never pending: what is asked for is said to be one."""
    get_blob_properties = BlobClient.get_blob_properties

    async def said_to_be_pending(self, **options):
        properties = await get_blob_properties(self, **options)
        properties.copy.status = "pending"
        return properties

    def switch(*, is_on):
        monkeypatch.setattr(BlobClient, "get_blob_properties", said_to_be_pending if is_on else get_blob_properties)

    switch(is_on=True)
    return switch


async def test_a_file_that_is_still_being_copied_is_left_to_the_sweep(app, call, pending):  # noqa: F811
    await dropped_while_pending(app, pending)
    await call("submit_blob", event(app, "a.txt"))
    await take_poison(app, message(app, "a.txt"))
    with pytest.raises(NotNow, match="still being copied"):
        await app.inputs.version_of("a.txt")
    assert await tasks_of(app) == []
    # The listing says by then that the copy is done.
    assert (await sweep(later(app, minutes=5))).submitted == 1


async def test_an_event_about_a_folder_is_passed_over(app, call):  # noqa: F811
    folder = app.clients.blobs.get_blob_client(app.settings.input_container, "folder")
    await folder.upload_blob(b"", metadata={"hdi_isfolder": "true"})
    await call("submit_blob", event(app, "folder"))
    assert await tasks_of(app) == []
    answer = await answered(app, call, "folder")
    assert answer.status_code == 400
    assert "'folder' marks a folder" in json.loads(answer.get_body())["error"]


async def answered(app, call, name):  # noqa: F811
    body = json.dumps({"blob": name}).encode()
    request = func.HttpRequest(method="POST", url="http://host/api/tasks", body=body)
    return await call("post_task", request, app)


async def test_tasks_are_listed(app, call):  # noqa: F811
    await dropped(app, "a.txt")
    await call("submit_blob", event(app, "a.txt"))

    async def listed(**parameters):
        request = func.HttpRequest(method="GET", url="http://host/api/tasks", params=parameters, body=b"")
        answer = await call("get_tasks", request)
        return answer.status_code, json.loads(answer.get_body())

    for parameters in ({}, {"blob": "a.txt"}, {"prefix": "a"}):
        status, document = await listed(**parameters)
        assert (status, [task["blob"] for task in document["tasks"]]) == (200, ["a.txt"])
    assert (await listed(state="failed"))[1] == {"tasks": [], "continuation": None}
    assert (await listed(limit="none"))[0] == 400


async def test_ticks_are_summed_up(app, call):  # noqa: F811
    await dropped(app, "a.txt")
    await call("submit_blob", event(app, "a.txt"))
    await call("reconcile_tasks", TIMER)
    answer = await call("get_summary", func.HttpRequest(method="GET", url="http://host/api/summary", body=b""))
    document = json.loads(answer.get_body())
    assert (document["open"]["submitted"], list(document["ticks"])) == (1, ["reconcile_tasks"])


async def test_records_say_who_asked_as_far_as_the_host_does(app, call):  # noqa: F811
    await dropped(app, "a.txt")

    async def ask(name, who, body=b"", **parameters):
        headers = {"x-ms-client-principal-name": who} if who else {}
        request = func.HttpRequest(
            method="POST", url="http://host/api/tasks/x/y", headers=headers, route_params=parameters, body=body
        )
        return json.loads((await call(name, request)).get_body())

    first = await ask("post_task", "ann@example.com", json.dumps({"blob": "a.txt"}).encode())
    stopped = await ask("cancel_task", "bob@example.com", task_id=first["task_id"])
    assert (stopped["asked_by"], stopped["cancel_asked_by"]) == ("ann@example.com", "bob@example.com")
    forced = await ask("post_task", None, json.dumps({"blob": "a.txt", "force": True}).encode())
    assert (await record_of(app, forced["task_id"])).asked_by is None


async def test_an_event_about_an_archived_file_is_handled_when_its_record_waits(app, call):  # noqa: F811
    await dropped(app, "old.txt")
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, "old.txt")
    await blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    await call("submit_blob", event(app, "old.txt"))
    answer = await answered(app, call, "old.txt")
    document = json.loads(answer.get_body())
    assert (answer.status_code, document["state"]) == (200, "queued")
    assert "rehydrate it" in document["reason"]
    assert await tasks_of(app) == []


async def test_an_event_about_a_name_that_leads_elsewhere_is_handled_by_its_rejection(app, call):  # noqa: F811
    await put_raw(app.clients.blobs, app.settings.input_container, "../x.txt")
    await call("submit_blob", event(app, "../x.txt"))
    answer = await answered(app, call, "../x.txt")
    document = json.loads(answer.get_body())
    assert (answer.status_code, document["state"]) == (200, "rejected")
    assert "rename it" in document["reason"]


async def dropped_while_pending(app, pending):  # noqa: F811
    pending(is_on=False)
    await dropped(app, "a.txt")
    pending(is_on=True)


async def test_an_event_about_another_container_is_none_of_ours(app, call, caplog):  # noqa: F811
    await dropped(app, "a.txt")
    await call("submit_blob", event(app, "a.txt", container="another"))
    assert "An event is about container 'another'" in caplog.text
    assert await tasks_of(app) == []


async def test_a_file_that_is_gone_again_is_passed_over(app, call):  # noqa: F811
    await call("submit_blob", event(app, "never there.txt"))
    assert await tasks_of(app) == []


async def test_the_trigger_leaves_alone_what_the_settings_leave_out(app, call):  # noqa: F811
    version = await dropped(app, "empty.txt", b"")
    await call("submit_blob", event(app, "empty.txt"), with_intake(app, skip_empty=True))
    late = version.last_modified.replace(year=version.last_modified.year + 1)
    await call("submit_blob", event(app, "empty.txt"), with_intake(app, not_before=late))
    assert await tasks_of(app) == []
    await call("submit_blob", event(app, "empty.txt"))
    assert len(await tasks_of(app)) == 1


async def test_an_event_counts_as_handled_only_when_batch_has_the_task(app, call, pauses):  # noqa: F811
    await dropped(app, "a.txt")
    async with faults(app.settings.batch.endpoint, {"operation": "create_job", "answer": {"status": 503}}):
        with pytest.raises(Unavailable):
            await call("submit_blob", event(app, "a.txt"))
    await call("submit_blob", event(app, "a.txt"), later(app, minutes=5))
    ((_, task_id),) = await tasks_of(app)
    assert (await record_of(app, task_id)).state is TaskState.SUBMITTED


@pytest.mark.parametrize(
    ("function", "says", "counts"),
    [
        ("collect_outputs", "Collected: ", {"jobs", "listed", "postponed", "states", "seconds", "is_complete"}),
        ("sweep_files", "Swept: ", {"listed", "looked_up", "submitted", "forgotten", "is_complete"}),
        ("reconcile_tasks", "Reconciled: ", {"open", "oldest_waiting_seconds", "looked_at", "done", "is_complete"}),
        ("tidy_jobs", "Tidied: ", {"terminated", "deleted", "records_of", "outputs_of", "is_complete"}),
    ],
)
async def test_a_tick_says_what_it_did_in_one_line(app, call, caplog, function, says, counts):  # noqa: F811
    with caplog.at_level(logging.INFO, logger="batch_core"):
        await call(function, TIMER)
    (line,) = [record for record in caplog.records if record.levelno >= logging.INFO and record.name == "batch_core"]
    assert line.getMessage().startswith(says)
    logged = dict(part.split("=") for part in line.getMessage().removeprefix(says).split(" "))
    assert logged.keys() == counts | {"is_past_due"}
    assert (logged["is_complete"], logged["is_past_due"]) == ("true", "false")
