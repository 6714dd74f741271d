"""JSON of others that is malformed, or has another shape: refused or passed over, and never a failure of the host."""

import json

import aiohttp
import pytest

from batch_core.config.local_settings import LocalSettings
from batch_core.config.settings import SettingsError
from local.errors import SettingsFileError
from local.host.blobs.message import BlobMessage
from local.host.host_settings import HostSettings
from local.host.timers.timer import ScheduleStatus

DEEP = b"[" * 100_000
EVENTS = "/runtime/webhooks/blobs?functionName=Host.Functions.event"
JSON = "application/json"


async def status_of(running_host, path, body, **headers):
    async with aiohttp.ClientSession(running_host.url) as http, http.post(path, data=body, headers=headers) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("kind", ["Notification", "SubscriptionValidation"])
@pytest.mark.parametrize("body", [DEEP, b"", b"\xff", b"5", b"[5]", b'["x"]', b"[[]]", b'[{"data":[]}]'])
async def test_a_body_that_is_no_array_of_events_is_refused(running_host, kind, body):
    assert await status_of(running_host, EVENTS, body, **{"aeg-event-type": kind}) == 400


@pytest.mark.parametrize("charset", ["zzz", "utf-8"])
async def test_an_array_without_events_is_no_validation(running_host, charset):
    headers = {"aeg-event-type": "SubscriptionValidation", "Content-Type": f"{JSON}; charset={charset}"}
    assert await status_of(running_host, EVENTS, b"[]", **headers) == 400


@pytest.mark.parametrize(
    "data",
    [
        5,
        "x",
        {"url": 5},
        {"url": "http://["},
        {"url": "http://h/a/events/\ud800"},
        {"url": "http://h/a/events/x", "eTag": 5},
        {"url": "http://h/a/events/x", "eTag": "x", "blobType": []},
    ],
)
async def test_an_event_whose_data_have_another_shape_is_refused(running_host, data):
    body = json.dumps([{"data": data}])
    assert await status_of(running_host, EVENTS, body, **{"aeg-event-type": "Notification"}) == 400


@pytest.mark.parametrize("body", [DEEP, b"\xff", b"[]"])
async def test_a_malformed_body_runs_no_timer(running_host, body):
    assert await status_of(running_host, "/admin/functions/tick", body, **{"Content-Type": JSON}) == 400


async def test_the_name_of_an_unknown_charset_does_not_matter(running_host):
    content_type = f"{JSON}; charset=zzz"
    assert (
        await status_of(running_host, "/admin/functions/tick", b'{"input": ""}', **{"Content-Type": content_type})
        == 202
    )


@pytest.mark.parametrize(
    "text", [DEEP.decode(), "5", "[]", '{"FunctionId": 1}', '{"FunctionId": [], "ContainerName": 1}']
)
def test_a_queue_message_of_another_shape_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"JSON|deeply|not a blob trigger message"):
        BlobMessage.from_json(text)


def test_values_of_a_queue_message_must_be_texts():
    fields = {"FunctionId": "f", "ContainerName": "c", "BlobName": ["b"], "ETag": "e"}
    with pytest.raises(ValueError, match="not a blob trigger message"):
        BlobMessage.from_json(json.dumps(fields))


def test_a_timers_status_that_is_nested_too_deeply_is_a_value_error():
    with pytest.raises(ValueError, match="deeply"):
        ScheduleStatus.from_json(DEEP.decode())


def test_settings_files_that_are_nested_too_deeply_are_reported_as_such(tmp_path):
    for name in ("host.json", "local.settings.json"):
        (tmp_path / name).write_bytes(DEEP)
    with pytest.raises(SettingsFileError, match="deeply"):
        HostSettings.read(tmp_path)
    with pytest.raises(SettingsError, match="deeply"):
        LocalSettings.read(tmp_path / "local.settings.json")
