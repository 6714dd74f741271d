import json
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from batch_core.errors import SettingsError
from batch_core.settings import SCHEDULES, BindingExpressions, Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
NEEDED = {
    "DATA_STORAGE": "UseDevelopmentStorage=true",
    "BATCH_ENDPOINT": "http://127.0.0.1:10003",
    "BATCH_ACCOUNT_NAME": "devbatchaccount1",
    "BATCH_ACCOUNT_KEY": "a2V5",
    "BATCH_POOL_ID": "files-pool",
}


def problems_of(env: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return caught.value.problems


def test_the_example_is_valid_and_says_the_defaults():
    settings = Settings.from_env(EXAMPLE)
    few = Settings.from_env({name: EXAMPLE[name] for name in NEEDED})
    assert settings == few


def test_the_readme_explains_every_setting_of_the_example():
    readme = (ROOT / "README.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)`", readme, re.MULTILINE))
    assert set(EXAMPLE) - rows == {"FUNCTIONS_WORKER_RUNTIME"}


def test_the_defaults_that_the_readme_tells_are_the_real_ones():
    readme = (ROOT / "README.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^|]+)` \|", readme, re.MULTILINE))
    assert {"INPUT_CONTAINER", "OUTPUT_PATIENCE", "POOL_IMAGE"} < set(told)
    schedules = {name: told.pop(name) for name in SCHEDULES}
    told.pop("BLOB_TRIGGER_SOURCE")
    assert schedules == SCHEDULES
    assert Settings.from_env(NEEDED | told) == Settings.from_env(NEEDED)


def test_every_setting_that_is_read_stands_in_the_example():
    class Spy(dict):
        def get(self, name, default=None):
            read.add(name)
            return super().get(name, default)

    read: set[str] = set()
    for env in (NEEDED, {**NEEDED, "DATA_STORAGE": ""}):
        with suppress(SettingsError):
            Settings.from_env(Spy(env))
    in_place_of_one = {f"DATA_STORAGE__{kind}ServiceUri" for kind in ("blob", "table")}
    assert read - in_place_of_one == set(EXAMPLE) - {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}


def test_what_only_must_be_set_is_enough():
    settings = Settings.from_env(NEEDED)
    assert settings.input_container == "input"
    assert settings.task.input_sas_lifetime == timedelta(days=7)


def test_nothing_set_names_everything_that_is_missing():
    assert [problem.split()[0] for problem in problems_of({})] == ["DATA_STORAGE", "BATCH_ENDPOINT", "BATCH_POOL_ID"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("INPUT_CONTAINER", "Input_Container", "lower-case"),
        ("OUTPUT_CONTAINER", "a--b", "single hyphens"),
        ("TABLE_NAME", "my-table", "letters and digits"),
        ("BATCH_ENDPOINT", "account.region.batch.azure.com", "https://ACCOUNT.REGION.batch.azure.com"),
        ("BATCH_POOL_ID", "my pool", "letters, digits"),
        ("JOB_PREFIX", "x" * 17, "1 to 16"),
        ("TASK_MAX_WALL_CLOCK_TIME", "10 minutes", "ISO 8601"),
        ("TASK_MAX_WALL_CLOCK_TIME", "P1M", "ISO 8601"),
        ("TASK_RETENTION_TIME", "-P1D", "ISO 8601"),
        ("INPUT_SAS_LIFETIME", "PT1S", "ISO 8601"),
        ("POOL_NODE_COUNT", "two", "whole number"),
        ("POOL_NODE_COUNT", "-1", "whole number"),
        ("POOL_TASK_SLOTS_PER_NODE", "257", "1 to 256"),
        ("POOL_IMAGE", "ubuntu", "publisher:offer:sku:version"),
        ("BLOB_TRIGGER_SOURCE", "eventgrid", "EventGrid"),
        ("COLLECT_SCHEDULE", "*/5 * * * *", "six fields"),
        ("SWEEP_SCHEDULE", "hourly", "six fields"),
        ("INPUT_NOT_BEFORE", "yesterday", "2026-11-23T08:00:00Z"),
        ("INPUT_SKIP_EMPTY", "yes", "true or false"),
        ("SWEEP_GRACE", "2", "ISO 8601"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name, value, words):
    (problem,) = problems_of(NEEDED | {name: value})
    assert problem.startswith(f"{name} is {value!r}")
    assert words in problem


def test_input_and_output_must_differ():
    (problem,) = problems_of(NEEDED | {"OUTPUT_CONTAINER": "input"})
    assert "must differ" in problem


def test_all_problems_are_told_at_once():
    assert len(problems_of({"POOL_NODE_COUNT": "x", "TABLE_NAME": "-"})) == 5


def test_no_secret_is_shown_when_it_is_wrong_nor_in_the_repr():
    secret = "DefaultEndpointsProtocol=https;AccountName=a;SharedAccessSignature=sig=verysecret"
    told = " ".join(problems_of(NEEDED | {"DATA_STORAGE": secret, "BATCH_ACCOUNT_KEY": "not base64!"}))
    assert "verysecret" not in told
    assert "not base64!" not in told
    assert "a2V5" not in repr(Settings.from_env(NEEDED))


def test_without_a_key_the_endpoint_must_be_encrypted():
    env = {name: value for name, value in NEEDED.items() if "ACCOUNT" not in name}
    assert "https://" in problems_of(env)[0]
    assert Settings.from_env(env | {"BATCH_ENDPOINT": "https://a.b.batch.azure.com"}).batch.key == ""


def test_storage_can_be_reached_by_identity():
    env = NEEDED | {
        "DATA_STORAGE": "",
        "DATA_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
        "DATA_STORAGE__tableServiceUri": "https://a.table.core.windows.net/",
    }
    assert Settings.from_env(env).storage.table_uri == "https://a.table.core.windows.net"
    (problem,) = problems_of(env | {"DATA_STORAGE__tableServiceUri": ""})
    assert problem.startswith("DATA_STORAGE__tableServiceUri is missing")


def test_a_user_delegation_sas_cannot_be_asked_for_longer_than_its_key_lives():
    env = NEEDED | {
        "DATA_STORAGE": "",
        "DATA_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
        "DATA_STORAGE__tableServiceUri": "https://a.table.core.windows.net",
    }
    assert problems_of(env | {"INPUT_SAS_LIFETIME": "P8D"})[0].startswith("INPUT_SAS_LIFETIME")
    assert Settings.from_env(NEEDED | {"INPUT_SAS_LIFETIME": "P8D"}).task.input_sas_lifetime == timedelta(days=8)


def test_bindings_fall_back_to_defaults_where_the_host_could_not_resolve_them():
    assert BindingExpressions.from_env({}) == BindingExpressions(
        input_path="input/{name}",
        blob_source="LogsAndContainerScan",
        collect_schedule="*/30 * * * * *",
        sweep_schedule="0 */5 * * * *",
        tidy_schedule="0 30 * * * *",
    )
    assert BindingExpressions.from_env(EXAMPLE) == BindingExpressions(
        input_path="%INPUT_CONTAINER%/{name}",
        blob_source="LogsAndContainerScan",
        collect_schedule="%COLLECT_SCHEDULE%",
        sweep_schedule="%SWEEP_SCHEDULE%",
        tidy_schedule="%TIDY_SCHEDULE%",
    )
    assert BindingExpressions.from_env({"BLOB_TRIGGER_SOURCE": "EventGrid"}).blob_source == "EventGrid"
