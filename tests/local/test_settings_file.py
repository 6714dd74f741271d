import json

import pytest

from local.azurite import StoragePorts
from local.errors import SettingsFileError
from local.settings_file import AppSettings


def settings(tmp_path, **values: str) -> AppSettings:
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": values, "Host": {"LocalHttpPort": 7075}}))
    return AppSettings.read(file)


def test_the_example_places_everything_on_this_machine_at_the_usual_ports():
    example = AppSettings.example()
    assert (example.storage_ports, example.batch_port, example.host_port) == (StoragePorts(), 10003, 7071)


def test_ports_follow_from_the_settings(tmp_path):
    ports = StoragePorts(blob=11000, queue=11001, table=11002)
    own = settings(tmp_path, DATA_STORAGE=ports.connection_string, BATCH_ENDPOINT="http://localhost:12000/")
    assert (own.storage_ports, own.batch_port, own.host_port) == (ports, 12000, 7075)


def test_services_that_are_elsewhere_are_not_started_here(tmp_path):
    own = settings(
        tmp_path,
        AzureWebJobsStorage="DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net",
        DATA_STORAGE__blobServiceUri="https://a.blob.core.windows.net",
        BATCH_ENDPOINT="https://a.westeurope.batch.azure.com",
    )
    assert (own.storage_ports, own.batch_port) == (None, None)


def test_a_moved_stack_has_its_own_endpoints_and_the_same_other_settings():
    ports = StoragePorts(blob=1, queue=2, table=3)
    moved = AppSettings.example().moved_to(ports, "http://127.0.0.1:4", 5)
    assert (moved.storage_ports, moved.batch_port, moved.host_port) == (ports, 4, 5)
    assert moved.values["TASK_COMMAND_LINE"] == AppSettings.example().values["TASK_COMMAND_LINE"]


def test_keys_are_not_shown(tmp_path):
    own = settings(tmp_path, BATCH_ACCOUNT_NAME="mine", BATCH_ACCOUNT_KEY="c2VjcmV0")
    assert "c2VjcmV0" not in repr(own) + repr(own.batch_account)


@pytest.mark.parametrize("text", ["", "[]", '{"Values": []}', '{"IsEncrypted": false}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path, text):
    file = tmp_path / "odd.json"
    file.write_text(text)
    with pytest.raises(SettingsFileError, match=r"odd\.json cannot be used"):
        AppSettings.read(file)
