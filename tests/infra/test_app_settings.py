"""What Bicep sets is what the app and its host read."""

import pytest

import function_app
from batch_core.app import open_app
from batch_core.config.bindings import BindingExpressions
from batch_core.config.names import SETTING_NAMES
from batch_core.config.pools import Scale
from batch_core.config.settings import Settings
from tests.infra.bicep import properties, source, template, value_of

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
    "inputContainer": "input",
    "outputContainer": "output",
    "tableName": "tasks",
    "batchEndpoint": "https://batchtest.westeurope.batch.azure.com",
    "poolName": "files-pool",
    "nodesIdentityId": f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/id-nodes-test",
    "taskSlotsPerNode": 2,
    "maxNodes": 4,
    "spotPercent": 100,
    "settings": {},
}


def app_settings(**further):
    value = properties(template("app.bicep").resources["appSettings"].body)["properties"]
    return value_of(value, KNOWN | {"settings": further})


def test_every_setting_is_known_to_the_app_or_to_the_host():
    assert set(app_settings()) - SETTING_NAMES - HOST_SETTINGS == set()
    assert set(app_settings()) & DEPRECATED_ON_FLEX == set()


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
    changed = app_settings(TASK_RETENTION_TIME="P1D", COLLECT_SCHEDULE="*/30 * * * * *")
    assert (changed["TASK_RETENTION_TIME"], changed["COLLECT_SCHEDULE"]) == ("P1D", "*/30 * * * * *")
    Settings.from_env(changed)


def test_the_command_line_gets_the_same_settings_from_azds_environment():
    main, values = template("main.bicep"), app_settings()
    outputs = {name: source(one.value) for name, one in main.of("output").items() if name in SETTING_NAMES}
    given = {name: source(node) for name, node in parameters_of("app").items()}
    known = {
        "storage.outputs.blobEndpoint": KNOWN["storage.properties.primaryEndpoints.blob"],
        "storage.outputs.queueEndpoint": KNOWN["storage.properties.primaryEndpoints.queue"],
        "storage.outputs.tableEndpoint": KNOWN["storage.properties.primaryEndpoints.table"],
        "spot": True,
        **{expression: KNOWN[name] for name, expression in given.items() if name in KNOWN and name != "spotPercent"},
    }
    said = {name: value_of(main.of("output")[name].value, known) for name in outputs}
    assert said == {name: values[name] for name in outputs}
    left_out = {name for name in set(values) & SETTING_NAMES if name not in outputs}
    schedules = {name for name in left_out if name.endswith("_SCHEDULE")}
    assert left_out - schedules == {"DATA_STORAGE__credential", "DATA_STORAGE__clientId"}
    Settings.from_env(said)


def parameters_of(module):
    return properties(properties(template("main.bicep").of("module")[module].body)["params"])


def test_the_host_runs_the_python_of_the_app():
    version = (template("app.bicep").path.parents[1] / ".python-version").read_text().strip()
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
