"""What Bicep sets is what the app and its host read."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

import function_app
from batch_core.app import open_app
from batch_core.config.bindings import BindingExpressions
from batch_core.config.names import SETTING_NAMES
from batch_core.config.pools import Scale
from batch_core.config.settings import Settings
from infra.scripts import check
from tests.infra.bicep import properties, source, template, value_of

ROOT = Path(__file__).parents[2]
#: What the host reads besides, each with its page.
HOST_SETTINGS = {
    # https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    # https://learn.microsoft.com/azure/azure-functions/functions-app-settings
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
#: What the worker reads, and what it starts, where metrics are wanted.
TELEMETRY_SETTINGS = {
    # https://learn.microsoft.com/azure/azure-functions/functions-app-settings#python_applicationinsights_enable_telemetry
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    # https://learn.microsoft.com/python/api/overview/azure/monitor-opentelemetry-readme#usage
    *("OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
}
#: What the plan ignores, has elsewhere, or refuses:
#: https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
DEPRECATED_ON_FLEX = {
    *("ENABLE_ORYX_BUILD", "SCM_DO_BUILD_DURING_DEPLOYMENT"),
    *("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION"),
    *("FUNCTIONS_MAX_HTTP_CONCURRENCY", "FUNCTIONS_WORKER_PROCESS_COUNT"),
    *("FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTOVERVNET", "WEBSITE_CONTENTSHARE"),
    *("WEBSITE_DNS_SERVER", "WEBSITE_NODE_DEFAULT_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
    *("WEBSITE_SKIP_CONTENTSHARE_VALIDATION", "WEBSITE_VNET_ROUTE_ALL"),
    # Timers: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer
    *("WEBSITE_TIME_ZONE", "TZ"),
}
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-test/providers"
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
#: What expressions are worth once everything is made.
KNOWN = {
    "storage.properties.primaryEndpoints.blob": "https://sttest.blob.core.windows.net/",
    "storage.properties.primaryEndpoints.queue": "https://sttest.queue.core.windows.net/",
    "storage.properties.primaryEndpoints.table": "https://sttest.table.core.windows.net/",
    "insights.properties.ConnectionString": "InstrumentationKey=0",
    "identityClientId": CLIENT_ID,
    "batchEndpoint": "https://batchtest.westeurope.batch.azure.com",
    "poolName": "files-pool",
    "nodesIdentityId": f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/id-nodes-test",
    "taskSlotsPerNode": 2,
}
#: What a person can choose, by variables of their own and by `settings`, which win.
CHOICES = [
    {},
    {"maxNodes": 9, "spot": False},
    {"settings": {"INPUT_CONTAINER": "drops", "OUTPUT_CONTAINER": "done", "TABLE_NAME": "state"}},
    {"maxNodes": 9, "settings": {"POOL_MAX_NODES": "2", "POOL_SPOT_PERCENT": "50"}},
    {"eventsQueue": "ends", "recordRetention": "P90D", "outputRetention": "P30D"},
    {"eventsQueue": "ends", "settings": {"EVENTS_QUEUE": "others", "RECORD_RETENTION_TIME": "P9D"}},
]


def app_settings(*, metrics=False, chosen=None, **further):
    """Return the app's settings, for `chosen` parameters of main.bicep, or with further settings among them."""
    settings = chosen_settings(**(chosen or {"settings": further}))
    value = properties(template("app.bicep").resources["appSettings"].body)["properties"]
    return value_of(value, KNOWN | {"metrics": metrics, "settings": settings})


def chosen_settings(**parameters):
    """Return what main.bicep makes of parameters; those that are not given have their defaults."""
    main = template("main.bicep")
    names = ("maxNodes", "spot", "eventsQueue", "recordRetention", "outputRetention", "settings")
    defaults = {name: value_of(main.of("parameter")[name].value, {}) for name in names}
    return value_of(main.of("variable")["chosenSettings"].value, defaults | parameters)


@pytest.mark.parametrize("metrics", [False, True])
def test_every_setting_is_known_to_the_app_or_to_the_host(metrics):
    settings = set(app_settings(metrics=metrics))
    assert settings - SETTING_NAMES - HOST_SETTINGS - TELEMETRY_SETTINGS == set()
    assert settings & DEPRECATED_ON_FLEX == set()


def test_metrics_are_off_unless_they_are_asked_for():
    assert value_of(template("main.bicep").of("parameter")["metrics"].value, {}) is False
    assert set(app_settings()) & TELEMETRY_SETTINGS == set()
    assert set(app_settings(metrics=True)) - set(app_settings()) == TELEMETRY_SETTINGS


def test_with_metrics_the_log_still_goes_by_the_host_which_would_leave_it_out_in_another_mode():
    settings = app_settings(metrics=True)
    assert (settings["OTEL_LOGS_EXPORTER"], settings["OTEL_TRACES_EXPORTER"]) == ("none", "none")
    host = json.loads((ROOT / "host.json").read_text())
    assert [name for name in (*host, *settings) if "telemetrymode" in name.lower()] == []


def test_who_deploys_otherwise_reads_what_to_set_for_metrics():
    text = (ROOT / "docs/operations.md").read_text()
    assert [name for name in TELEMETRY_SETTINGS if f"`{name}`" not in text] == []


def test_the_settings_are_valid_and_leave_out_none_that_has_no_default():
    # An app that misses one of them does not start: this raises with every problem.
    settings = Settings.from_env(app_settings())
    assert settings.batch.key == settings.storage.connection_string == ""
    assert settings.identity_client_id == CLIENT_ID
    assert settings.task.identity_resource_id == KNOWN["nodesIdentityId"]
    assert not settings.intake.is_scanned


def test_every_value_is_a_text():
    assert {type(value) for value in app_settings().values()} == {str}


def test_the_host_can_resolve_what_every_trigger_says():
    bindings = vars(BindingExpressions.from_env(app_settings()))
    assert bindings.pop("blob_source") == "EventGrid"
    for expression in bindings.values():
        assert expression.split("%")[1] in app_settings()


async def test_the_pool_is_somebody_elses_to_make_and_the_apps_to_scale():
    app = open_app(Settings.from_env(app_settings()))
    (pool,) = app.routes().pools
    await app.clients.close()
    assert (pool.id, pool.is_existing, pool.slots_per_node) == ("files-pool", True, 2)
    assert pool.scale == Scale(min=0, max=4, spot=1)


def test_a_person_can_add_settings_and_change_them():
    wanted = {"TASK_RETENTION_TIME": "P1D", "COLLECT_SCHEDULE": "*/30 * * * * *", "OTEL_TRACES_EXPORTER": ""}
    changed = app_settings(metrics=True, **wanted)
    assert {name: changed[name] for name in wanted} == wanted
    Settings.from_env(changed)


def test_by_default_nothing_is_announced_and_nothing_removed():
    settings = Settings.from_env(app_settings())
    assert settings.events_queue == ""
    assert (settings.retention.records, settings.retention.outputs) == (None, None)


def test_events_and_retention_have_variables_of_their_own_and_settings_win():
    chosen, overruled = (Settings.from_env(app_settings(chosen=parameters)) for parameters in CHOICES[-2:])
    assert chosen.events_queue == "ends"
    assert (chosen.retention.records, chosen.retention.outputs) == (timedelta(days=90), timedelta(days=30))
    assert overruled.events_queue == "others"
    assert (overruled.retention.records, overruled.retention.outputs) == (timedelta(days=9), None)


def test_the_queue_that_is_made_is_the_one_that_the_app_sends_to():
    made = template("main.bicep").of("module")["queue"]
    assert "= if (!empty(chosenSettings.EVENTS_QUEUE)) {" in made.text
    assert source(parameters_of("queue")["queueName"]) == "chosenSettings.EVENTS_QUEUE"
    assert source(parameters_of("queue")["storageName"]) == source(parameters_of("app")["storageName"])
    assert source(properties(template("queue.bicep").resources["queue"].body)["name"]) == "queueName"
    assert source(parameters_of("app")["settings"]) == "chosenSettings"


@pytest.mark.parametrize("parameters", CHOICES)
def test_the_command_line_gets_the_same_settings_from_azds_environment(parameters):
    main, values = template("main.bicep"), app_settings(chosen=parameters)
    outputs = {name: source(one.value) for name, one in main.of("output").items() if name in SETTING_NAMES}
    given = {name: source(node) for name, node in parameters_of("app").items()}
    known = {
        "storage.outputs.blobEndpoint": KNOWN["storage.properties.primaryEndpoints.blob"],
        "storage.outputs.queueEndpoint": KNOWN["storage.properties.primaryEndpoints.queue"],
        "storage.outputs.tableEndpoint": KNOWN["storage.properties.primaryEndpoints.table"],
        **{f"chosenSettings.{name}": value for name, value in chosen_settings(**parameters).items()},
        **{expression: KNOWN[name] for name, expression in given.items() if name in KNOWN},
    }
    said = {name: value_of(main.of("output")[name].value, known) for name in outputs}
    assert said == {name: values[name] for name in outputs}
    left_out = {name for name in set(values) & SETTING_NAMES if name not in outputs}
    schedules = {name for name in left_out if name.endswith("_SCHEDULE")}
    assert left_out - schedules == {"DATA_STORAGE__credential", "DATA_STORAGE__clientId"}
    Settings.from_env(said)


def test_what_is_made_and_who_may_use_it_follows_the_settings_that_were_chosen():
    for setting, parameter in {"INPUT_CONTAINER": "inputContainer", "OUTPUT_CONTAINER": "outputContainer"}.items():
        for module in ("storage", "roles"):
            assert source(parameters_of(module)[parameter]) == f"chosenSettings.{setting}"
    assert source(parameters_of("storage")["tableName"]) == "chosenSettings.TABLE_NAME"
    made = chosen_settings(**CHOICES[2])
    assert (made["INPUT_CONTAINER"], made["OUTPUT_CONTAINER"], made["TABLE_NAME"]) == ("drops", "done", "state")


def test_what_bicep_alone_decides_is_refused_as_a_setting():
    value = properties(template("app.bicep").resources["appSettings"].body)["properties"]
    decided = set(value_of(value, KNOWN | {"metrics": False, "settings": {}}))
    schedules = {name for name in decided if name.endswith("_SCHEDULE")}
    refused = {name for name in decided if any(check.settings_problems(json.dumps({name: "x"})))}
    assert refused == decided - schedules


def parameters_of(module):
    return properties(properties(template("main.bicep").of("module")[module].body)["params"])


def test_the_host_runs_the_python_of_the_app():
    version = (ROOT / ".python-version").read_text().strip()
    body = properties(properties(template("app.bicep").resources["app"].body)["properties"])
    known = KNOWN | {"packageContainer": "app-package", "identityId": "id", "instanceMemoryMB": 2048}
    config = value_of(body["functionAppConfig"], known)
    assert config["runtime"] == {"name": "python", "version": version}
    assert config["deployment"]["storage"]["value"] == "https://sttest.blob.core.windows.net/app-package"


@pytest.mark.parametrize("name", ["COLLECT_SCHEDULE", "SCALE_SCHEDULE", "SWEEP_SCHEDULE", "TIDY_SCHEDULE"])
def test_every_schedule_is_said_since_each_run_costs(name):
    assert app_settings()[name]


def test_the_trigger_of_the_subscription_is_a_function_of_this_app():
    # Not by get_functions, which may be called once in a process.
    functions = [one._function for one in function_app.app._function_builders]
    triggers = {one.get_function_name(): one.get_trigger().get_dict_repr()["type"] for one in functions}
    text = template("subscription.bicep").path.read_text()
    (function,) = [name for name in triggers if f"functionName=Host.Functions.{name}&" in text]
    assert triggers[function] == "blobTrigger"
