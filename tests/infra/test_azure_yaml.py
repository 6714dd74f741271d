"""azure.yaml, the templates, the scripts and the docs say the same."""

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from croniter import croniter

from batch_core.config.settings import SCHEDULES
from infra.scripts import check, package
from tests.infra.bicep import FILES, INFRA, properties, source, template, walk
from tests.infra.management_models import ROLES
from tests.infra.test_app_settings import app_settings

ROOT = Path(__file__).parents[2]
AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text())
DOCS = (ROOT / "docs/azure.md").read_text()
SERVICE = AZURE["services"]["app"]


def test_azd_deploys_the_folder_that_the_script_builds_and_lets_azure_build_nothing():
    assert ROOT / SERVICE["dist"] == package.FOLDER
    assert (SERVICE["remoteBuild"], SERVICE["language"], SERVICE["host"]) == (False, "python", "function")
    text = template("app.bicep").path.read_text()
    assert "'azd-service-name': 'app'" in text


def test_every_hook_runs_a_script_that_exists_on_every_system():
    hooks = AZURE["hooks"] | SERVICE["hooks"]
    # Not predown: it runs before azd asks whether to go on.
    assert set(hooks) == {"prepackage", "preprovision", "postprovision", "postdeploy", "postdown"}
    listed = [one for found in hooks.values() for one in (found if isinstance(found, list) else [found])]
    for hook in listed:
        assert (hook["posix"]["shell"], hook["windows"]["shell"]) == ("sh", "pwsh")
        program, *words = hook["posix"]["run"].split()
        assert (program, hook["windows"]["run"].split()) == ("python3", ["python", *words])
        assert (ROOT / words[0]).is_file()


def test_every_variable_that_a_person_sets_is_explained():
    file = (INFRA / "main.parameters.json").read_text() + (INFRA / "scripts/deploy.py").read_text()
    variables = set(re.findall(r"BATCHDROP_\w+", file)) - {"BATCHDROP_PAUSE_SECONDS"}
    rows = dict(re.findall(r"^\| `(BATCHDROP_\w+)` \| ([^|]*) \|", DOCS, re.MULTILINE))
    assert set(rows) == variables
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    for name, one in given.items():
        variable = variable_of(one)
        default = template("main.bicep").of("parameter")[name]
        if variable in rows and default.has_default:
            said = rows[variable].strip("` ")
            assert said == (source(default.value).strip("'{}") or said), variable


def variable_of(parameter):
    """Return the variable that azd takes a parameter from."""
    return re.fullmatch(r"\$\{(\w+)(:-.*)?\}", parameter["value"])[1]


def test_a_variable_that_is_set_to_nothing_counts_as_one_that_was_never_set():
    """For an empty number or truth value azd takes the default itself; for a text or an object it does not."""
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    for name, one in template("main.bicep").of("parameter").items():
        default = source(one.value).strip("'") if one.has_default else ""
        said = given[name]["value"].partition(":-")[2].rstrip("}")
        if " object" in one.text:
            assert (said, default) == ("null", "{}")  # azd leaves out a null
        elif " string" in one.text and not name.startswith("principal"):
            assert said == default, name


def test_variables_are_checked_before_the_package_is_built_and_before_anything_is_made():
    first, second = (hook["posix"]["run"] for hook in SERVICE["hooks"]["prepackage"])
    assert (first, second) == ("python3 infra/scripts/check.py package", "python3 infra/scripts/package.py")
    assert AZURE["hooks"]["preprovision"]["posix"]["run"] == "python3 infra/scripts/check.py provision"


@pytest.mark.parametrize("name", ["check.py", "deploy.py", "package.py"])
def test_what_a_hook_runs_is_for_any_python_from_3_9_on(name):
    ast.parse((INFRA / "scripts" / name).read_text(), feature_version=(3, 9))


def test_what_is_checked_is_what_the_templates_and_the_docs_know():
    ranges = {"taskSlotsPerNode", "maxNodes", "alertWaitingMinutes"}
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    parameters = template("main.bicep").of("parameter")
    for name in ranges:
        low, high = check.RANGES[variable_of(given[name])]
        decorators = " ".join(parameters[name].decorators)
        assert f"@minValue({low})" in decorators
        assert f"@maxValue({high})" in decorators or name == "alertWaitingMinutes"
    assert parameters["instanceMemoryMB"].decorators[-1] == "@allowed([512, 2048, 4096])"
    assert check.PATTERNS["BATCHDROP_MEMORY"][0] == "512|2048|4096"
    documented = set(re.findall(r"^\| `(BATCHDROP_\w+)` \|", DOCS, re.MULTILINE))
    assert documented == check.KNOWN - check.OTHERS


def test_the_page_of_settings_says_what_azd_sets_otherwise():
    table = (ROOT / "docs/settings.md").read_text().partition("| setting | with azd |")[2].partition("\n\n")[0]
    deployed = app_settings() | {"POOL_TASK_SLOTS_PER_NODE": "1"}  # the default; the tests' own is 2
    said = {}
    for names, values in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE):
        if found := re.findall(r"`([^`]+)`", values.partition(": ")[0]):
            said |= dict(zip(re.findall(r"`(\w+)`", names), found, strict=True))
    assert len(said) == 9
    assert said == {name: deployed[name] for name in said}


def test_every_variable_that_a_hook_reads_is_one_that_azd_has():
    read = set(re.findall(r'needed\("(\w+)"\)', (INFRA / "scripts/deploy.py").read_text()))
    set_by_a_person = {name for name in read if name.startswith("BATCHDROP_")}
    assert read - set_by_a_person <= set(template("main.bicep").of("output"))


def test_the_package_and_the_settings_follow_the_same_variable():
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert variable_of(given["metrics"]) == package.METRICS
    locks = {word: package.chosen_requirements(word).name for word in ("", "false", "true", "True", "1")}
    assert set(map(locks.get, ("", "false"))) == {"requirements.txt"}
    assert set(map(locks.get, ("true", "True", "1"))) == {"requirements-telemetry.txt"}


def test_a_package_is_not_built_where_azd_would_not_understand_the_variable():
    with pytest.raises(SystemExit, match="BATCHDROP_METRICS is 'yes': it must be true or false"):
        package.chosen_requirements("yes")


def test_the_docs_list_every_role_and_no_other():
    rows = set(re.findall(r"^\| (app|nodes|person) \| ([^|]+?) \| ([^|]+?) \|", DOCS, re.MULTILINE))
    assert {(who, role.strip(), where.strip()) for who, role, where in rows} == {
        ("app", "Storage Blob Data Owner", "storage account"),
        ("app", "Storage Queue Data Contributor", "storage account"),
        ("app", "Storage Table Data Contributor", "storage account"),
        ("app", "Azure Batch Data Contributor", "Batch account"),
        ("app", "Monitoring Metrics Publisher", "Application Insights"),
        ("nodes", "Storage Blob Data Reader", "input container"),
        ("nodes", "Storage Blob Data Contributor", "output container"),
        ("person", "Storage Blob Data Contributor", "storage account"),
        ("person", "Storage Table Data Contributor", "storage account"),
        ("person", "Storage Queue Data Contributor", "queue of events"),
        ("person", "Azure Batch Data Contributor", "Batch account"),
    }
    assert rows == ASSIGNED


def runs_a_month(schedule):
    """Count the times of a schedule, which is the same every day, in 30 days."""
    times = croniter(schedule, datetime(2026, 11, 1, tzinfo=UTC) - timedelta(seconds=1), second_at_beginning=True)
    end = datetime(2026, 11, 2, tzinfo=UTC)
    return 30 * sum(1 for _ in takewhile(lambda moment: moment < end, times.all_next(datetime)))


def test_the_price_of_idle_timers_follows_from_their_schedules():
    rows = re.findall(
        r"^\| `(\w+_SCHEDULE)`[^|]* \| `([^`]+)` \| ([\d,]+) \| `([^`]+)` \| ([\d,]+) \|", DOCS, re.MULTILINE
    )
    assert {name: (here, default) for name, here, _, default, _ in rows} == {
        name: (app_settings()[name], SCHEDULES[name]) for name in SCHEDULES
    }
    together = [0, 0]
    for name, here, said, default, said_default in rows:
        functions = 2 if name == "SWEEP_SCHEDULE" else 1
        counted = [functions * runs_a_month(schedule) for schedule in (here, default)]
        assert counted == [int(number.replace(",", "")) for number in (said, said_default)], name
        together = [one + other for one, other in zip(together, counted, strict=True)]
    assert f"| together |  | {together[0]:,} |  | {together[1]:,} |" in DOCS
    for memory in (2048, 512):
        seconds = [runs * memory / 1024 for runs in together]
        prices = [max(0, one - 100_000) * 0.000026 for one in seconds]
        assert f"| a month with {memory} MB |  | ${prices[0]:.2f} |  | ${prices[1]:.2f} |" in DOCS


def test_the_price_of_idleness_is_that_of_timers_alert_rules_and_what_timers_write():
    (timers,) = re.findall(r"^\| a month with 2048 MB \|  \| \$([\d.]+) \|", DOCS, re.MULTILINE)
    (runs,) = re.findall(r"^\| together \|  \| ([\d,]+) \|", DOCS, re.MULTILINE)
    rules = template("alerts.bicep").path.read_text().count("'Microsoft.Insights/scheduledQueryRules@")
    total = float(timers) + 0.50 * rules + 0.05 * int(runs.replace(",", "")) / 10_000
    said = f"about ${total:.0f} a month"
    assert said in " ".join(DOCS.split())
    assert said in " ".join((ROOT / "README.md").read_text().split())


def test_the_rows_of_metrics_follow_from_the_schedules():
    """Eight counters, which test_telemetry.py counts, and two gauges a minute; a row for each run of a timer."""
    functions = {name: 2 if name == "SWEEP_SCHEDULE" else 1 for name in SCHEDULES}
    runs = sum(functions[name] * runs_a_month(app_settings()[name]) for name in SCHEDULES)
    rows = 30 * 24 * 60 * (8 + 2) + runs
    said = " ".join(DOCS.split())
    assert f"{round(rows, -4):,} in a month" in said
    assert f"{rows * 640 / 1e9:.1f} GB of the 5" in said


def test_no_key_is_asked_for_or_given_away():
    for file in FILES:
        text = "\n".join(line for line in file.read_text().splitlines() if not line.strip().startswith("//"))
        calls = re.findall(r"\b(list\w+|getSecret)\(", text)
        # The one that Event Grid has to know, which Azure Resource Manager puts in.
        assert calls == (["listKeys"] if file.name == "subscription.bicep" else []), file.name
        outputs = [source(one.value) for one in template(file.name).of("output").values()]
        assert [one for one in outputs if re.search(r"(?i)key|connectionstring|secret|sas", one)] == []
    text = template("storage.bicep").path.read_text()
    assert "allowSharedKeyAccess: false" in text
    assert "allowedAuthenticationModes: ['AAD']" in template("batch.bicep").path.read_text()
    assert "DisableLocalAuth: true" in template("monitoring.bicep").path.read_text()


def _assigned():
    """Return who has which role where, as the templates say."""
    who = {"app": "appPrincipalId", "nodes": "nodesPrincipalId", "person": "principalId"}
    where = {
        "storage": "storage account",
        "account": "Batch account",
        "insights": "Application Insights",
        "inputFiles": "input container",
        "outputFiles": "output container",
        "queue": "queue of events",
    }
    for file in FILES:
        roles = {name: source(one.value).strip("'") for name, one in template(file.name).of("variable").items()}
        for one in template(file.name).resources.values():
            if one.resource_type != "Microsoft.Authorization/roleAssignments":
                continue
            words = [source(node) for node in walk(one.node) if node.type == "identifier"]
            to = source(properties(properties(one.body)["properties"])["principalId"])
            (principal,) = [key for key, word in who.items() if word == to]
            (scope,) = [value for key, value in where.items() if f"scope: {key}\n" in one.text]
            for role in {roles[word] for word in words if word in roles}:
                yield principal, ROLES[role], scope


ASSIGNED = set(_assigned())
