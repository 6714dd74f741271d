import json
import re

import pytest

from local.azurite import StoragePorts
from local.errors import SettingsFileError
from local.settings_file import CHECKOUT, EXAMPLE, AppSettings


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


def test_the_block_for_other_ports_that_the_docs_have_to_copy_moves_the_whole_stack(tmp_path):
    (block,) = re.findall(r"^```json\n(.*?)^```", (CHECKOUT / "local/README.md").read_text(), re.DOTALL | re.MULTILINE)
    copied, example = json.loads(block), json.loads(EXAMPLE.read_text())
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps(example | copied | {"Values": example["Values"] | copied["Values"]}))
    own = AppSettings.read(file)
    ports = StoragePorts(blob=10100, queue=10101, table=10102)
    assert own == AppSettings(
        file=file, values=AppSettings.example().moved_to(ports, "http://127.0.0.1:10103", 7171).values, host_port=7171
    )
    assert own.validated()


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


@pytest.mark.parametrize("text", ["", "[]", '{"Values": []}', '{"IsEncrypted": false}', '{"IsEncrypted": true}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path, text):
    file = tmp_path / "odd.json"
    file.write_text(text)
    with pytest.raises(SettingsFileError, match=r"odd\.json is not valid"):
        AppSettings.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsFileError, match=r"there is no .*gone\.json"):
        AppSettings.read(tmp_path / "gone.json")


def test_the_file_is_read_as_core_tools_read_it(tmp_path):
    file = tmp_path / "local.settings.json"
    file.write_text(
        '\ufeff{"Values": {"A": 1, /* no */ "B": null, "C": true,}, // yes\n "Host": {"LocalHttpPort": 7075}}'
    )
    own = AppSettings.read(file)
    defaults = {"INPUT_CONTAINER": "input", "OUTPUT_CONTAINER": "output"}
    assert (own.values, own.host_port) == ({"A": "1", "C": "true", **defaults}, 7075)


@pytest.mark.parametrize("proxy", ["", ";", ";DevelopmentStorageProxyUri=http://localhost/"])
def test_the_development_account_is_at_the_usual_ports_in_every_spelling(tmp_path, proxy):
    own = settings(tmp_path, DATA_STORAGE=f"UseDevelopmentStorage=true{proxy}")
    assert own.storage_ports == StoragePorts()
    host = "localhost" if "localhost" in proxy else "127.0.0.1"
    assert f"TableEndpoint=http://{host}:10002/" in own.connection_string("DATA_STORAGE")


def test_an_azurite_of_another_machine_is_not_started_here(tmp_path):
    own = settings(tmp_path, DATA_STORAGE="UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://10.1.2.3")
    assert own.storage_ports is None


@pytest.mark.parametrize("value", ["nonsense", "http://[account]/", "http://127.0.0.1:99999", "http://127.0.0.1:x"])
def test_what_names_no_place_starts_nothing_here(tmp_path, value):
    own = settings(tmp_path, DATA_STORAGE=f"BlobEndpoint={value}", BATCH_ENDPOINT=value)
    assert (own.storage_ports, own.batch_port) == (None, None)
    with pytest.raises(SettingsFileError, match=r"DATA_STORAGE of .* is no connection string"):
        own.connection_string("DATA_STORAGE")


def test_a_setting_of_the_terminal_never_leads_the_stack_elsewhere(tmp_path, monkeypatch):
    for name in ("TASK_COMMAND_LINE", "DATA_STORAGE__blobServiceUri", "AzureWebJobsStorage__accountName", "OTHER"):
        monkeypatch.setenv(name, "terminal")
    environment = settings(tmp_path, BATCH_POOL_ID="file").environment()
    assert [name for name, value in environment.items() if value == "terminal"] == ["OTHER"]
    assert environment["BATCH_POOL_ID"] == "file"
