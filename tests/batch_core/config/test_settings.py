import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.bindings import BindingExpressions
from batch_core.config.names import SETTING_NAMES
from batch_core.config.pools import Scale, settings_pool
from batch_core.config.settings import SCHEDULES, Settings
from batch_core.errors import SettingsError

ROOT = Path(__file__).parents[3]
EXAMPLE = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
NEEDED = {
    "DATA_STORAGE": "UseDevelopmentStorage=true",
    "BATCH_ENDPOINT": "http://127.0.0.1:10003",
    "BATCH_ACCOUNT_NAME": "devbatchaccount1",
    "BATCH_ACCOUNT_KEY": "a2V5",
    "BATCH_POOL_ID": "files-pool",
}

WITHOUT_KEY = {name: value for name, value in NEEDED.items() if name != "DATA_STORAGE"}


def problems_of(env: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return caught.value.problems


def visible_of(env: dict[str, str]) -> str:
    """What a person may see of settings, be they right or wrong."""
    try:
        return repr(Settings.from_env(env))
    except SettingsError as exc:
        return str(exc)


def test_the_example_is_valid_and_says_the_defaults():
    settings = Settings.from_env(EXAMPLE)
    few = Settings.from_env({name: EXAMPLE[name] for name in NEEDED})
    assert settings == few


def test_the_docs_explain_every_setting_of_the_example():
    docs = (ROOT / "docs/settings.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)`", docs, re.MULTILINE))
    assert set(EXAMPLE) - rows == {"FUNCTIONS_WORKER_RUNTIME"}


def test_the_defaults_that_the_docs_name_are_the_real_ones():
    docs = (ROOT / "docs/settings.md").read_text()
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^|]+)` \|", docs, re.MULTILINE))
    assert {"INPUT_CONTAINER", "OUTPUT_PATIENCE", "POOL_IMAGE"} < set(documented)
    schedules = {name: documented.pop(name) for name in SCHEDULES}
    documented.pop("BLOB_TRIGGER_SOURCE")
    assert schedules == SCHEDULES
    assert Settings.from_env(NEEDED | documented) == Settings.from_env(NEEDED)


IDENTITY = {
    **{name: value for name, value in NEEDED.items() if name != "DATA_STORAGE"},
    **{
        f"DATA_STORAGE__{service}ServiceUri": f"https://a.{service}.core.windows.net"
        for service in ("blob", "queue", "table")
    },
}


def test_every_setting_that_is_read_stands_in_the_example_and_among_the_known_names():
    class Spy(dict):
        def get(self, name, default=None):
            read.add(name)
            return super().get(name, default)

    read: set[str] = set()
    for env in (NEEDED, IDENTITY):
        Settings.from_env(Spy(env))
    read.remove("AzureWebJobsDATA_STORAGE")
    read -= {f"DATA_STORAGE__{part}" for part in ("serviceUri", "credential", "clientId")}
    assert read - set(IDENTITY) == set(EXAMPLE) - set(IDENTITY) - {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}
    assert read <= SETTING_NAMES
    assert {name for name in SETTING_NAMES - read if not name.startswith("DATA_STORAGE__")} == set()


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
        ("EVENTS_QUEUE", "Events", "lower-case"),
        ("RECORD_RETENTION_TIME", "PT1H", "from P1D to"),
        ("OUTPUT_RETENTION_TIME", "90 days", "ISO 8601"),
        ("EVENTS_QUEUE", "webjobs-blobtrigger-poison", "which are the host's"),
        ("EVENTS_QUEUE", "events-poison", "which are the host's"),
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
        ("POOL_EXISTING", "maybe", "true or false"),
        ("POOL_MAX_NODES", "1001", "0 to 1000"),
        ("POOL_SPOT_PERCENT", "101", "0 to 100"),
        ("BLOB_TRIGGER_SOURCE", "eventgrid", "EventGrid"),
        ("COLLECT_SCHEDULE", "0 0 0 ? * FRI", "'?' is no day of the month"),
        ("TIDY_SCHEDULE", "00:00:30", "App Service plan"),
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


def test_a_pool_of_the_settings_can_be_somebody_elses_and_scaled():
    env = NEEDED | {"POOL_EXISTING": "true", "POOL_MIN_NODES": "1", "POOL_MAX_NODES": "8", "POOL_SPOT_PERCENT": "50"}
    pool = settings_pool(Settings.from_env(env).pool)
    assert (pool.is_existing, pool.scale) == (True, Scale(min=1, max=8, spot=0.5))
    pool = settings_pool(Settings.from_env(NEEDED).pool)
    assert (pool.is_existing, pool.scale) == (False, None)


def test_the_fewest_nodes_are_not_more_than_the_most():
    (problem,) = problems_of(NEEDED | {"POOL_MIN_NODES": "2"})
    assert problem == "POOL_MIN_NODES is 2, which is more than POOL_MAX_NODES: that is 0"


def test_all_problems_are_reported_at_once():
    assert len(problems_of({"POOL_NODE_COUNT": "x", "TABLE_NAME": "-"})) == 5


SECRETS = [
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "DefaultEndpointsProtocol=https;AccountName=a;SharedAccessSignature=sv=2022&sig=verysecret",
    "AccountName=a;AccountKey=verysecret;",
    "https://a.blob.core.windows.net/input?sv=2022-11-02&sig=verysecret",
    "https://me:verysecret@a.blob.core.windows.net",
    "not base64! verysecret password",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", sorted(SETTING_NAMES - {"TASK_COMMAND_LINE"}))
def test_a_secret_in_the_wrong_setting_is_never_shown(name, secret):
    env = (IDENTITY if name.startswith("DATA_STORAGE__") else NEEDED) | {name: secret}
    visible = visible_of(env)
    assert secret not in visible
    assert "verysecret" not in visible
    assert name in visible or name in {"BATCH_ACCOUNT_KEY", *UNREAD}


#: Of the host, which the app leaves to it.
UNREAD = {f"DATA_STORAGE__{name}" for name in ("serviceUri", "accountName", "credential", "clientId")}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_the_command_is_not_shown_in_a_problem_with_it(secret):
    for command in (f"run '{secret}", f"run {secret}; other", f"run >{secret}"):
        assert secret not in str(problems_of(NEEDED | {"TASK_COMMAND_LINE": command}))


def test_no_secret_stands_in_the_repr():
    assert "a2V5" not in repr(Settings.from_env(NEEDED))


def test_without_a_key_the_endpoint_must_be_encrypted():
    env = {name: value for name, value in NEEDED.items() if "ACCOUNT" not in name}
    assert "https://" in problems_of(env)[0]
    assert Settings.from_env(env | {"BATCH_ENDPOINT": "https://a.b.batch.azure.com"}).batch.key == ""


def test_storage_can_be_reached_by_identity():
    assert Settings.from_env(IDENTITY).storage.table_uri == "https://a.table.core.windows.net"
    with_slash = IDENTITY | {"DATA_STORAGE__tableServiceUri": "https://a.table.core.windows.net/"}
    assert Settings.from_env(with_slash) == Settings.from_env(IDENTITY)


@pytest.mark.parametrize("service", ["blob", "queue", "table"])
def test_with_an_identity_each_service_has_its_url(service):
    name = f"DATA_STORAGE__{service}ServiceUri"
    (problem,) = problems_of(IDENTITY | {name: ""})
    assert problem.startswith(f"{name} is missing")
    (problem,) = problems_of(IDENTITY | {name: "https://a.file.core.windows.net"})
    assert "is the URL of a File service" in problem
    assert f"{name} must begin with https://: tokens are never sent unencrypted" in str(
        problems_of(IDENTITY | {name: "http://127.0.0.1:10000/devstoreaccount1"})
    )


def test_what_the_host_would_take_in_place_of_the_storage_is_named():
    assert problems_of(IDENTITY | {"DATA_STORAGE": ""})[0].startswith("DATA_STORAGE is empty beside")
    assert problems_of(NEEDED | {"AzureWebJobsDATA_STORAGE": "x"})[0].startswith("AzureWebJobsDATA_STORAGE is set")
    assert problems_of(NEEDED | {"DATA_STORAGE": NEEDED["DATA_STORAGE"] + "\n"})[0].startswith("DATA_STORAGE is no")


@pytest.mark.parametrize(
    "name", ["TASK_COMAND_LINE", "task_command_line", "BATCH_ENDPIONT", "DATA_STORAGE:blobServiceUri", "TABLE_NAMES"]
)
def test_a_name_that_was_meant_to_be_a_setting_is_reported(name):
    (problem,) = problems_of(NEEDED | {name: "value"})
    assert problem.startswith(f"{name!r} is no setting of this app: did you mean ")


def test_what_others_set_is_no_misspelled_setting():
    theirs = {
        *("INPUT_TOKEN", "INPUT_PATH", "INPUT_FILE", "BATCH_SIZE", "BATCH_TASK_INDEX", "TASK_NAME", "TASK_ID"),
        *("JOB_NAME", "JOB_ID", "POOL_SIZE", "TABLE", "TASK_DISPLAYNAME", "OUTPUT", "AZURE_BATCH_ENDPOINT"),
        *("AZURE_BATCH_ACCOUNT", "AZ_BATCH_POOL_ID", "AZ_BATCH_ACCOUNT_NAME", "APPSETTING_TASK_COMMAND_LINE"),
        *("WEBSITE_SITE_NAME", "AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "FUNCTIONS_WORKER_RUNTIME"),
        *("AzureWebJobsFeatureFlags", "AzureWebJobs.submit_blob.Disabled", "APPLICATIONINSIGHTS_CONNECTION_STRING"),
        *("AZURE_CLIENT_ID", "PATH", "IMAGE", "NODE_COUNT"),
    }
    assert Settings.from_env(NEEDED | dict.fromkeys(theirs, "value")) == Settings.from_env(NEEDED)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("INPUT_SAS_LIFETIME", "P9999999999999D", "from PT1M to P180D"),
        ("OUTPUT_PATIENCE", "PT0S", "from PT1S to P7D"),
        ("TASK_MAX_WALL_CLOCK_TIME", "P365D", "from PT1S to P180D"),
        ("JOB_RETENTION_TIME", "P100Y", "from P0D to P3650D"),
        ("POOL_NODE_COUNT", "9" * 5000, "from 0 to 1000"),
        ("POOL_NODE_COUNT", "\u0663", "from 0 to 1000"),
        ("INPUT_NOT_BEFORE", "0001-01-01T00:00:00+14:00", "a date or a time"),
        ("INPUT_CONTAINER", "azure-webjobs-hosts", "is the host's"),
        ("TABLE_NAME", "Tables", "reserved"),
        ("BATCH_ENDPOINT", "https://[account].region.batch.azure.com", "host or port cannot be read"),
        ("BATCH_ENDPOINT", "https://127.0.0.1:99999", "host or port cannot be read"),
        ("BATCH_ENDPOINT", "https://a b.batch.azure.com", "must be a URL"),
        ("BATCH_ENDPOINT", "https://ms.portal.azure.com/#home", "a page of ms.portal.azure.com"),
        ("BATCH_ENDPOINT", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/a", "ARM id"),
        ("BATCH_ENDPOINT", "https://a.blob.core.windows.net", "the URL of a Blob service"),
        ("BATCH_ENDPOINT", "http://a.westeurope.batch.azure.com", "must begin with https://"),
        ("BATCH_ENDPOINT", "http://10.0.0.4:10003", "must begin with https://"),
        ("BATCH_ENDPOINT", "https://devbatchaccount1.region.batch.azure.com/pools", "without a path"),
        ("BATCH_ENDPOINT", "https://other.region.batch.azure.com", "that of account other"),
        ("BATCH_ACCOUNT_KEY", "schlüsselschlüssel", "not base64"),
        ("BATCH_ACCOUNT_NAME", "two\nlines", "the name of the Batch account"),
        ("BATCH_POOL_ID", "pool\udcff", "not UTF-8"),
        ("POOL_IDENTITY_RESOURCE_ID", "my-identity", "ARM id of a managed identity"),
        ("POOL_VM_SIZE", "STANDARD D2S", "VM size"),
        ("TASK_COMMAND_LINE", '/bin/bash -c \'cat "$INPUT_FILE"', "not closed"),
        ("TASK_COMMAND_LINE", "wc -l input > count", "'>', which no shell reads"),
        ("DATA_STORAGE", "AccountKey=a2V5;EndpointSuffix=core.windows.net", "no AccountName"),
    ],
)
def test_what_the_services_would_not_take_is_named(name, value, words):
    (problem,) = {problem for problem in problems_of(NEEDED | {name: value}) if words in problem}
    assert name in problem


@given(st.sampled_from(sorted(SETTING_NAMES)), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_value_is_taken_or_named(name, value):
    for env in (NEEDED, IDENTITY):
        visible = visible_of(env | {name: value})
        assert visible.startswith("Settings(") or name in visible or "DATA_STORAGE" in visible


def test_a_command_that_means_a_variable_without_a_shell_is_warned_of():
    assert Settings.from_env(NEEDED).warnings == ()
    (warning,) = Settings.from_env(NEEDED | {"TASK_COMMAND_LINE": "wc '$INPUT_FILE'"}).warnings
    assert warning.startswith("TASK_COMMAND_LINE names $INPUT_FILE without a shell")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("wc $INPUT_FILE", "TASK_COMMAND_LINE holds $INPUT_FILE, which nothing expands"),
        ("bash -c 'wc $INPUT_FOLDER/*'", "TASK_COMMAND_LINE uses INPUT_FOLDER, which only a route with inputs"),
    ],
)
def test_a_command_that_cannot_find_its_file_is_refused(command, problem):
    (found,) = problems_of(NEEDED | {"TASK_COMMAND_LINE": command})
    assert found.startswith(problem)


def test_a_user_delegation_sas_cannot_be_asked_for_longer_than_its_key_lives():
    assert problems_of(IDENTITY | {"INPUT_SAS_LIFETIME": "P8D"})[0].startswith("INPUT_SAS_LIFETIME")
    assert Settings.from_env(NEEDED | {"INPUT_SAS_LIFETIME": "P8D"}).task.input_sas_lifetime == timedelta(days=8)


def test_bindings_fall_back_to_defaults_where_the_host_could_not_resolve_them():
    assert BindingExpressions.from_env({}) == BindingExpressions(
        input_path="input/{name}",
        blob_source="LogsAndContainerScan",
        collect_schedule="*/30 * * * * *",
        sweep_schedule="0 */5 * * * *",
        scale_schedule="*/15 * * * * *",
        tidy_schedule="0 30 * * * *",
    )
    assert BindingExpressions.from_env(EXAMPLE) == BindingExpressions(
        input_path="%INPUT_CONTAINER%/{name}",
        blob_source="LogsAndContainerScan",
        collect_schedule="%COLLECT_SCHEDULE%",
        sweep_schedule="%SWEEP_SCHEDULE%",
        scale_schedule="%SCALE_SCHEDULE%",
        tidy_schedule="%TIDY_SCHEDULE%",
    )
    assert BindingExpressions.from_env({"BLOB_TRIGGER_SOURCE": " EventGrid "}).blob_source == "EventGrid"


def test_bindings_say_a_value_without_the_blanks_that_the_host_would_keep():
    env = {"INPUT_CONTAINER": " in ", "COLLECT_SCHEDULE": "  ", "SWEEP_SCHEDULE": "0 * * * * *\n"}
    bindings = BindingExpressions.from_env(env)
    assert (bindings.input_path, bindings.collect_schedule) == ("in/{name}", "*/30 * * * * *")
    assert bindings.sweep_schedule == "0 * * * * *"
