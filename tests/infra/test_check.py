"""What azd's hooks look at before anything is made: all that is wrong, at once, and what would be right."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batch_core.config.settings import Settings
from batch_core.errors import SettingsError
from infra.scripts import check
from tests.infra.test_app_settings import DEPRECATED_ON_FLEX, app_settings

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra/scripts/check.py"
SIGN_IN = (
    "- az cannot be used in subscription sub, which azd deploys to: sign in with `az login`, with an account that may"
    " use it. az says: ERROR: Please run 'az login' to setup account."
)
ACCOUNT = {"BATCHDROP_BATCH_ENDPOINT": "https://mine.westeurope.batch.azure.com", "BATCHDROP_BATCH_GROUP": "theirs"}
RIGHT = {
    **ACCOUNT,
    "BATCHDROP_VM_SIZE": "Standard_D4s_v5",
    "BATCHDROP_TASK_SLOTS": "4",
    "BATCHDROP_SPOT": "False",
    "BATCHDROP_MAX_NODES": "12",
    "BATCHDROP_MEMORY": "512",
    "BATCHDROP_ALERT_EMAIL": "ops@example.com",
    "BATCHDROP_ALERT_MINUTES": "30",
    "BATCHDROP_METRICS": "true",
    "BATCHDROP_EVENTS_QUEUE": "ends",
    "BATCHDROP_RECORD_RETENTION": "P90D",
    "BATCHDROP_OUTPUT_RETENTION": "P4W",
    "BATCHDROP_SETTINGS": '{"INPUT_CONTAINER": "drops", "TASK_RETENTION_TIME": "P1D", "MY_TOKEN": "x"}',
}


def problems(**variables):
    return list(check.variable_problems(variables))


def test_what_is_right_is_let_through():
    assert problems(**RIGHT) == problems() == []
    assert problems(**dict.fromkeys(RIGHT, "")) == []


def test_every_variable_can_be_wrong_and_all_of_them_are_named_at_once():
    wrong = dict.fromkeys(RIGHT, "no, never!")
    found = problems(**wrong)
    assert [name for name in RIGHT if not any(one.startswith(f"{name} is ") for one in found)] == []


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("BATCHDROP_SPOT", "no", "true or false"),
        ("BATCHDROP_SPOT", "off", "true or false"),
        ("BATCHDROP_MAX_NODES", "ten", "a whole number from 1 to 1000"),
        ("BATCHDROP_MAX_NODES", "0", "a whole number from 1 to 1000"),
        ("BATCHDROP_TASK_SLOTS", "257", "a whole number from 1 to 256"),
        ("BATCHDROP_MEMORY", "1024", "512, 2048 or 4096"),
        ("BATCHDROP_RECORD_RETENTION", "90d", "an ISO 8601 duration in days, such as P90D, from P1D to P3650D"),
        ("BATCHDROP_RECORD_RETENTION", "PT1H", "an ISO 8601 duration in days, such as P90D, from P1D to P3650D"),
        ("BATCHDROP_EVENTS_QUEUE", "Ends", f"{check.QUEUE[1]}"),
        ("BATCHDROP_VM_SIZE", "D2 v3", "the name of a VM size, such as STANDARD_D2S_V3"),
    ],
)
def test_a_wrong_value_is_shown_with_what_would_be_right(name, value, right):
    assert problems(**{name: value}) == [f"{name} is {value!r}: it must be {right}"]


@pytest.mark.parametrize("endpoint", ["mine.westeurope.batch.azure.com", "http://mine.westeurope.batch.azure.com", "x"])
def test_the_endpoint_of_an_account_is_a_whole_address(endpoint):
    (found,) = problems(**{**ACCOUNT, "BATCHDROP_BATCH_ENDPOINT": endpoint})
    assert found.endswith("it must be https://ACCOUNT.REGION.batch.azure.com")


@pytest.mark.parametrize("name", ACCOUNT)
def test_an_account_is_named_with_its_group(name):
    (found,) = problems(**{name: ACCOUNT[name]})
    (other,) = ACCOUNT.keys() - {name}
    assert found.startswith(f"{other} is not set: ")


def test_a_name_that_is_no_variable_is_refused_with_the_one_that_was_meant():
    (found,) = problems(BATCHDROP_MAXNODES="3")
    assert found == "BATCHDROP_MAXNODES is no variable of docs/azure.md: did you mean BATCHDROP_MAX_NODES?"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("{", "is no JSON"),
        ("[]", "is a JSON list"),
        ('{"JOB_PREFIX": 5}', 'JOB_PREFIX is 5: it must be a text, in quotes: "5"'),
        ('{"BATCH_POOL_ID": "mine"}', "BATCH_POOL_ID cannot be chosen here: the pool is Bicep's"),
        ('{"BLOB_TRIGGER_SOURCE": "LogsAndContainerScan"}', "BLOB_TRIGGER_SOURCE cannot be chosen here"),
        ('{"DATA_STORAGE": "x"}', "DATA_STORAGE cannot be chosen here: the app's storage and log are Bicep's"),
        ('{"TASK_COMAND_LINE": "x"}', "TASK_COMAND_LINE is no setting of this app: did you mean TASK_COMMAND_LINE?"),
        ('{"INPUT_CONTAINER": ""}', "INPUT_CONTAINER is '': it must be 3 to 63"),
        ('{"OUTPUT_CONTAINER": "app-package"}', "OUTPUT_CONTAINER is 'app-package': it must be"),
        ('{"INPUT_CONTAINER": "output"}', "input and output would be the same container"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, found):
    assert [found in one for one in problems(BATCHDROP_SETTINGS=settings)] == [True]


def test_outputs_may_not_outlive_records_whichever_way_it_is_said():
    (found,) = problems(BATCHDROP_RECORD_RETENTION="P30D", BATCHDROP_OUTPUT_RETENTION="P5W")
    assert "kept longer (P5W) than the records that they are found by (P30D)" in found
    (found,) = problems(BATCHDROP_OUTPUT_RETENTION="P9D", BATCHDROP_SETTINGS='{"RECORD_RETENTION_TIME": "P5D"}')
    assert "(P9D)" in found


@pytest.mark.parametrize(
    "text",
    [
        "P90D",
        "P4W",
        "P1DT12H",
        "PT36H",
        "P1W2D",
        "P3650D",
        "P3651D",
        "PT23H",
        "P1M",
        "P1Y",
        "90D",
        "90d",
        "P",
        "PT",
        "P1.5D",
    ],
)
def test_a_duration_is_taken_or_refused_as_the_app_does(text):
    env = check.as_deployed({}) | {"RECORD_RETENTION_TIME": text}
    try:
        Settings.from_env(env)
    except SettingsError:
        assert problems(BATCHDROP_RECORD_RETENTION=text)
    else:
        assert problems(BATCHDROP_RECORD_RETENTION=text) == []


@pytest.fixture
def run(tmp_path):
    """Run the script as a hook does, where az says what it is to say; no az without that."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def run(*words, az=None, python=sys.executable, **env):
        if az is not None:
            (folder / "az").write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/calls"\n{az}\n')
            (folder / "az").chmod(0o755)
        ran = subprocess.run(
            [python, str(SCRIPT), *words],
            env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), **env},
            capture_output=True,
            text=True,
            check=False,
        )
        calls = tmp_path / "calls"
        return ran, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_nothing_is_said_where_nothing_is_wrong_and_az_is_asked_in_azds_own_subscription(run):
    ran, calls = run("provision", az="echo sub", AZURE_SUBSCRIPTION_ID="sub", **RIGHT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert calls == ["account get-access-token --subscription sub --query subscription --output tsv"]


def test_all_that_is_wrong_is_said_at_once(run):
    az = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"
    ran, _ = run("provision", az=az, AZURE_SUBSCRIPTION_ID="sub", BATCHDROP_SPOT="no", BATCHDROP_MAX_NODES="ten")
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "Nothing was made: this is wrong.",
        "- BATCHDROP_SPOT is 'no': it must be true or false",
        "- BATCHDROP_MAX_NODES is 'ten': it must be a whole number from 1 to 1000",
        SIGN_IN,
        'azd env set NAME VALUE changes a variable; azd env set NAME "" is as if it was never set.',
    ]


def test_a_package_is_built_without_az(run):
    assert run("package")[0].returncode == 0


@pytest.mark.parametrize("words", [(), ("all",), ("package", "provision")])
def test_another_word_is_refused(run, words):
    ran, _ = run(*words)
    assert (ran.returncode, "one word, package or provision" in ran.stderr) == (1, True)


def test_what_the_app_would_refuse_is_found_before_it_is_deployed(monkeypatch):
    monkeypatch.setattr(check, "APP_PYTHONS", (Path(sys.executable),))
    env = {
        "PATH": os.environ["PATH"],
        "BATCHDROP_SETTINGS": '{"TASK_COMMAND_LINE": "cat $INPUT_FILE", "JOB_PREFIX": "ä"}',
    }
    first, second = sorted(check.app_problems(env))
    assert first.startswith("JOB_PREFIX is 'ä': it must be 1 to 16 letters")
    assert second.startswith("TASK_COMMAND_LINE holds $INPUT_FILE")
    assert list(check.app_problems({"PATH": os.environ["PATH"]})) == []


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A checkout of its own, in which routes may be written."""
    shutil.copytree(ROOT / "batch_core", tmp_path / "batch_core", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "function_app.py").touch()
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "ROUTES", tmp_path / "routes.toml")
    monkeypatch.setattr(check, "APP_PYTHONS", (Path(sys.executable),))
    return tmp_path


def test_routes_that_the_app_would_refuse_are_found_before_they_are_deployed(checkout):
    (checkout / "routes.toml").write_text('[[routes]]\nname = "a"\nmatch = "*"\ncomand = "x"\n')
    found = list(check.app_problems({"PATH": os.environ["PATH"]}))
    assert any("comand" in one for one in found), found


def test_without_the_apps_packages_it_is_at_least_seen_whether_routes_are_toml(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "APP_PYTHONS", (tmp_path / "none",))
    monkeypatch.setattr(check, "ROUTES", tmp_path / "routes.toml")
    assert list(check.app_problems({})) == []
    (tmp_path / "routes.toml").write_text("[[routes]\n")
    (found,) = check.app_problems({})
    assert found.startswith("routes.toml is no TOML: ")


def python_3(minor):
    """Return another Python, if it is at hand and runs."""
    program = shutil.which(f"python3.{minor}")
    runs = (
        program and not subprocess.run([program, "-m", "pip", "--version"], capture_output=True, check=False).returncode
    )
    return program if runs else None


@pytest.mark.parametrize("minor", [9, 10, 11, 12])
def test_it_runs_with_older_pythons(run, minor):
    python = python_3(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} with pip here")
    env = {name: value for name, value in os.environ.items() if name.startswith("PYENV")}
    ran, _ = run("package", python=python, BATCHDROP_SETTINGS='{"TASK_COMAND_LINE": "x"}', **env)
    assert ran.stderr.splitlines()[1:2] == [
        "- BATCHDROP_SETTINGS: TASK_COMAND_LINE is no setting of this app: did you mean TASK_COMMAND_LINE?"
    ]


def test_the_app_is_checked_with_every_setting_that_bicep_gives_it():
    assert set(app_settings()) <= set(check.as_deployed({}))


def test_routes_may_name_what_bicep_and_the_host_set(checkout):
    names = ["OUTPUT_CONTAINER", "TABLE_NAME", "POOL_SPOT_PERCENT", "DATA_STORAGE__clientId", "WEBSITE_SITE_NAME"]
    said = ", ".join(f'V{number} = "%{name}%"' for number, name in enumerate(names))
    file = checkout / "routes.toml"
    file.write_text(f'[[routes]]\nname = "a"\nmatch = "**"\ncommand = "/bin/true"\nenvironment = {{ {said} }}\n')
    assert list(check.app_problems({"PATH": os.environ["PATH"]})) == []
    file.write_text(file.read_text().replace("TABLE_NAME", "OTHER_NAME"))
    assert "OTHER_NAME" in " ".join(check.app_problems({"PATH": os.environ["PATH"]}))


@pytest.mark.parametrize("name", sorted(DEPRECATED_ON_FLEX))
def test_what_flex_consumption_refuses_is_refused_before_anything_is_made(name):
    (problem,) = check.settings_problems(f'{{"{name}": "x"}}')
    assert f"{name} cannot be chosen here" in problem


@pytest.mark.parametrize("value", ["0", "", "1001", "many"])
def test_a_pool_that_nobody_would_scale_is_refused(value):
    (problem,) = check.settings_problems(f'{{"POOL_MAX_NODES": "{value}"}}')
    assert "a whole number from 1 to 1000" in problem
