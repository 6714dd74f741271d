"""`batchdrop doctor` on a deployment: what Bicep makes is well, and what is missing is named with what mends it."""

from types import SimpleNamespace

import pytest

from batch_core.app import open_app
from batch_core.cli.deployment import Deployment, examine_deployment
from batch_core.cli.roles import ROLES
from batch_core.config.settings import Settings
from batch_core.services.batch_values import PoolMachine
from batch_core.services.resource_manager import API_VERSIONS, ResourceManager, endpoint_of
from batch_core.summary import PoolSummary
from tests.infra import management_models
from tests.infra.azure_subscription import (
    APP,
    APP_PRINCIPAL,
    BATCH,
    CONTAINERS,
    GROUP,
    INSIGHTS,
    NODES,
    NODES_PRINCIPAL,
    SIZES,
    STORAGE,
    SUBSCRIPTION,
    TOPIC,
    TOPICS,
    AzureSubscription,
)
from tests.infra.test_app_settings import app_settings

#: What `azd env get-values` says besides.
ENVIRONMENT = {
    "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    "AZURE_RESOURCE_GROUP": "rg-test",
    "AZURE_FUNCTION_APP_NAME": "func-test",
    "AZURE_INSIGHTS_NAME": "appi-test",
}
#: The model of what is asked for, by path: what the test's server says must be what Azure could.
MODELS = {
    APP: ("azure.mgmt.web", "Site"),
    STORAGE: ("azure.mgmt.storage", "StorageAccount"),
    BATCH: ("azure.mgmt.batch", "BatchAccount"),
    TOPICS: ("azure.mgmt.eventgrid", "SystemTopic"),
    f"{TOPIC}/eventSubscriptions": ("azure.mgmt.eventgrid", "EventSubscription"),
    SIZES: ("azure.mgmt.batch", "SupportedSku"),
}


class Person:
    """Signed in, with a token of Resource Manager's."""

    async def get_token_info(self, *scopes, options=None):
        assert len(scopes) == 1
        assert scopes[0].endswith("/.default")
        return SimpleNamespace(
            token="token-of-a-person", expires_on=4_000_000_000, token_type="Bearer", refresh_on=None
        )

    get_token = get_token_info

    async def close(self):
        pass


@pytest.fixture
def azure():
    return AzureSubscription.after_azd_up(app_settings())


async def examined(azure, values=None, **settings):
    """Return the findings by their names, of an app with the settings that azd's environment has."""
    given = {name: value for name, value in app_settings(**settings).items() if name.split("__")[-1] not in HIDDEN}
    values = given | ENVIRONMENT if values is None else values
    app = open_app(Settings.from_env(given))
    (pool,) = app.routes().pools
    status = SimpleNamespace(target=0, machine=machine(pool.vm_size))
    try:
        async with azure.served(), ResourceManager(azure.url, SUBSCRIPTION, Person()) as manager:
            found = await examine_deployment(
                app, Deployment.of(values), manager, [PoolSummary(pool=pool, status=status)]
            )
    finally:
        await app.clients.close()
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


HIDDEN = {"credential", "clientId"}


def machine(size):
    return PoolMachine(vm_size=size, image=None, node_agent="batch.node.ubuntu 24.04", runs_containers=False)


async def test_what_the_templates_make_is_well(azure):
    found = await examined(azure)
    assert {name: one.detail for name, one in found.items() if not one.is_ok} == {}
    assert found.keys() == {
        *("function app", "app settings", "app on blobs", "app on queues", "app on tables", "app on batch"),
        *("app on logs", "nodes on input", "event subscription", "Spot cores of files-pool"),
    }
    assert found["app on queues"].detail == "has Storage Queue Data Contributor on storage account sttest"
    assert found["Spot cores of files-pool"].detail == "4 nodes of Standard_D2s_v3 have 8 cores; the account may use 10"
    # Nothing is changed: the list of settings is the only thing that is not a GET.
    changing = [one for one in azure.asked if not one.startswith("GET ")]
    assert changing == [f"POST {APP}/config/appsettings/list"]


LOST = [
    ("app on blobs", STORAGE, APP_PRINCIPAL, "Storage Blob Data Owner"),
    ("app on queues", STORAGE, APP_PRINCIPAL, "Storage Queue Data Contributor"),
    ("app on tables", STORAGE, APP_PRINCIPAL, "Storage Table Data Contributor"),
    ("app on batch", BATCH, APP_PRINCIPAL, "Azure Batch Data Contributor"),
    ("app on logs", INSIGHTS, APP_PRINCIPAL, "Monitoring Metrics Publisher"),
    ("nodes on input", f"{CONTAINERS}/input", NODES_PRINCIPAL, "Storage Blob Data Reader"),
]


@pytest.mark.parametrize(("name", "scope", "principal", "role"), LOST, ids=[one[0] for one in LOST])
async def test_a_role_that_is_missing_is_named_with_what_assigns_it(azure, name, scope, principal, role):
    (guid,) = [one for one, called in ROLES.items() if called == role]
    azure.roles[scope, principal].remove(guid)
    found = await examined(azure)
    assert [one for one, finding in found.items() if not finding.is_ok] == [name]
    assert found[name].is_ok is False
    assert found[name].detail.startswith(f"has no {role} on ")
    # Not `az role assignment create`: Bicep gives its own another name, and fails where this one exists.
    assert found[name].command == "azd provision --no-state"


async def test_nodes_that_upload_need_a_role_for_that(azure, tmp_path):
    file = tmp_path / "routes.toml"
    file.write_text("[[routes]]\nname = 'a'\nmatch = '**'\ncommand = '/bin/true'\nstdout = 'upload'\n")
    azure.roles[f"{CONTAINERS}/output", NODES_PRINCIPAL].clear()
    found = await examined(azure, ROUTES_FILE=str(file))
    assert found["nodes on output"].detail == "has no Storage Blob Data Contributor on container output"


async def test_a_role_at_a_higher_scope_counts_and_one_of_ones_own_is_not_judged(azure):
    queue_role = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    azure.roles[STORAGE, APP_PRINCIPAL].remove(queue_role)
    azure.roles[GROUP, APP_PRINCIPAL] = {queue_role}
    assert (await examined(azure))["app on queues"].is_ok
    # Reader, Owner and Contributor give nobody a queue.
    azure.roles[GROUP, APP_PRINCIPAL] = {
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
    }
    assert (await examined(azure))["app on queues"].is_ok is False
    azure.conditions = {queue_role}
    azure.roles[GROUP, APP_PRINCIPAL] = {queue_role}
    assert (await examined(azure))["app on queues"].is_ok is None
    azure.conditions = set()
    azure.roles[GROUP, APP_PRINCIPAL] = {"99999999-0000-0000-0000-000000000000"}
    found = (await examined(azure))["app on queues"]
    assert found.is_ok is None
    assert "99999999-0000-0000-0000-000000000000" in found.detail


async def test_roles_of_an_identity_that_the_app_does_not_have_are_not_asked_for(azure):
    azure.resources[APP]["identity"] = {"type": "None"}
    found = (await examined(azure))["roles of the app"]
    assert found.detail == "the app has no identity with client id '11111111-2222-3333-4444-555555555555'"


async def test_the_address_of_queues_is_missed_and_wrong_ones_are_seen(azure):
    settings = azure.resources[f"{APP}/config/appsettings/list"]["properties"]
    del settings["DATA_STORAGE__queueServiceUri"]
    settings["DATA_STORAGE__tableServiceUri"] = "https://other.table.core.windows.net"
    found = await examined(azure)
    assert {name for name, one in found.items() if one.is_ok is False} == {
        *("queue address", "table address", "same settings"),
    }
    assert found["queue address"].command == "azd provision --no-state"
    assert found["queue address"].detail == (
        "DATA_STORAGE__queueServiceUri is missing, and the account's is https://sttest.queue.core.windows.net/"
    )
    assert found["table address"].detail.startswith(
        "DATA_STORAGE__tableServiceUri is 'https://other.table.core.windows.net', and the account's is"
    )


async def test_settings_with_which_the_app_does_not_start_are_listed_without_secrets(azure):
    settings = azure.resources[f"{APP}/config/appsettings/list"]["properties"]
    settings |= {
        "POOL_MAX_NODES": "many",
        "BATCH_ACCOUNT_KEY": "c2VjcmV0LXNlY3JldC1zZWNyZXQ=",
        "COLLECT_SCHEDULE": "no",
    }
    found = (await examined(azure))["app settings"]
    assert "POOL_MAX_NODES is 'many'" in found.detail
    assert "COLLECT_SCHEDULE" in found.detail
    assert "c2VjcmV0" not in found.detail


async def test_an_environment_of_another_deployment_is_noticed(azure):
    azure.resources[f"{APP}/config/appsettings/list"]["properties"]["INPUT_CONTAINER"] = "incoming"
    found = (await examined(azure))["same settings"]
    assert found.detail == "INPUT_CONTAINER is 'incoming' there and 'input' here"
    assert found.command.startswith("azd env refresh")


async def test_a_command_that_the_app_has_and_this_command_line_has_not_is_noticed(azure):
    """A retry from here would run another command."""
    settings = azure.resources[f"{APP}/config/appsettings/list"]["properties"]
    settings |= {"TASK_COMMAND_LINE": "/bin/wc", "EVENTS_QUEUE": "ends", "POOL_MAX_NODES": "400", "JOB_PREFIX": "files"}
    found = (await examined(azure))["same settings"]
    assert found.detail == (
        "EVENTS_QUEUE is 'ends' there and not set here; POOL_MAX_NODES is '400' there and '4' here;"
        " TASK_COMMAND_LINE is '/bin/wc' there and not set here"
    )


async def test_settings_that_are_not_deployed_yet_are_deployed_and_not_read_again(azure):
    values = app_settings() | ENVIRONMENT | {"TASK_RETENTION_TIME": "P1D"}
    values["BATCHDROP_SETTINGS"] = '{"TASK_RETENTION_TIME": "P1D"}'
    found = (await examined(azure, values))["same settings"]
    assert (found.remedy, found.command) == (
        "what BATCHDROP_SETTINGS says is not deployed yet",
        "azd provision --no-state",
    )


async def test_the_same_address_with_and_without_a_slash_and_a_default_that_is_said_are_no_difference(azure):
    settings = azure.resources[f"{APP}/config/appsettings/list"]["properties"]
    settings |= {"JOB_PREFIX": "files", "DATA_STORAGE__blobServiceUri": "https://sttest.blob.core.windows.net"}
    assert (await examined(azure))["app settings"].is_ok


async def test_references_to_a_vault_are_for_the_app_to_resolve(azure):
    settings = azure.resources[f"{APP}/config/appsettings/list"]["properties"]
    settings["TASK_COMMAND_LINE"] = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)"
    settings["DATA_STORAGE__queueServiceUri"] = "https://other.queue.core.windows.net"
    found = await examined(azure)
    assert found["app settings"].is_ok is None
    assert "TASK_COMMAND_LINE" in found["app settings"].detail
    assert found["queue address"].is_ok is False


def changed(azure, **properties):
    azure.resources[f"{TOPIC}/eventSubscriptions"][0]["properties"] |= properties


async def test_an_event_subscription_that_is_missing_is_made_by_a_command(azure):
    azure.resources[f"{TOPIC}/eventSubscriptions"] = []
    found = (await examined(azure))["event subscription"]
    assert (found.is_ok, found.command) == (False, "azd hooks run postdeploy")
    assert found.detail.endswith("files are found by the sweep alone")
    azure.resources[TOPICS] = []
    assert (await examined(azure))["event subscription"].detail == found.detail


TOO_WIDE = "input-files lets in events of other containers as well: each of them calls the app for nothing"
WRONG_FILTERS = [
    (
        {"subjectBeginsWith": ""},
        TOO_WIDE,
    ),
    (
        {"subjectBeginsWith": "/blobServices/default/containers/input"},
        TOO_WIDE,
    ),
    (
        {"subjectBeginsWith": "/blobServices/default/containers/other/"},
        "input-files lets in '/blobServices/default/containers/other/', and not the container input",
    ),
    (
        {
            "subjectBeginsWith": "/blobServices/default/containers/input/",
            "includedEventTypes": ["Microsoft.Storage.BlobDeleted"],
        },
        "input-files lets in no Microsoft.Storage.BlobCreated",
    ),
]


@pytest.mark.parametrize(("rule", "detail"), WRONG_FILTERS)
async def test_a_filter_that_lets_in_the_wrong_events_is_seen(azure, rule, detail):
    changed(azure, filter=rule)
    found = (await examined(azure))["event subscription"]
    assert (found.is_ok, found.detail) == (False, detail)


async def test_a_subscription_that_is_not_in_place_is_seen(azure):
    changed(azure, provisioningState="AwaitingManualAction")
    found = (await examined(azure))["event subscription"]
    assert (found.is_ok, found.detail) == (False, "input-files is not in place: AwaitingManualAction")


async def test_a_subscription_that_has_expired_is_seen(azure):
    changed(azure, expirationTimeUtc="2026-01-01T00:00:00Z")
    found = (await examined(azure))["event subscription"]
    assert (found.is_ok, found.detail) == (False, "input-files has expired at 2026-01-01 00:00:00 UTC")
    changed(azure, expirationTimeUtc="2999-01-01T00:00:00Z")
    assert (await examined(azure))["event subscription"].is_ok


async def test_one_odd_value_leaves_everything_else_known(azure):
    identities = azure.resources[APP]["identity"]["userAssignedIdentities"]
    identities["other"] = {"clientId": None, "principalId": None}
    azure.resources[TOPICS].append({"id": f"{TOPIC}-odd", "name": "odd", "properties": {}})
    to_nowhere = {
        "provisioningState": None,
        "destination": {"endpointType": "WebHook", "properties": {}},
        "filter": None,
    }
    azure.resources[f"{TOPIC}/eventSubscriptions"].append({"name": "odd", "properties": to_nowhere})
    quotas(azure, dedicatedCoreQuotaPerVMFamilyEnforced=None)
    azure.resources[f"{APP}/config/appsettings/list"]["properties"]["AzureWebJobsStorage__blobServiceUri"] = (
        "https://[x"
    )
    assert {name: one.detail for name, one in (await examined(azure)).items() if not one.is_ok} == {}


async def test_a_narrower_filter_is_said_and_is_right(azure):
    subject = "/blobServices/default/containers/input/blobs/scans/"
    changed(azure, filter={"subjectBeginsWith": subject, "subjectEndsWith": ".pdf", "advancedFilters": [{"key": "x"}]})
    found = (await examined(azure))["event subscription"]
    assert found.is_ok
    assert found.detail == (
        "input-files calls the trigger; input-files lets in files below 'scans/' and names that end in '.pdf' and what"
        " further filters let in only"
    )


async def test_subscriptions_of_others_are_left_alone(azure):
    other = {
        "name": "audit",
        "properties": {
            "provisioningState": "Failed",
            "destination": {"endpointType": "StorageQueue", "properties": {}},
        },
    }
    azure.resources[f"{TOPIC}/eventSubscriptions"].insert(0, other)
    assert (await examined(azure))["event subscription"].detail == "input-files calls the trigger"


def quotas(azure, **quotas):
    azure.resources[BATCH]["properties"] |= quotas


async def test_a_quota_of_no_spot_cores_is_seen_before_any_file_waits_for_it(azure):
    quotas(azure, lowPriorityCoreQuota=0)
    found = (await examined(azure))["Spot cores of files-pool"]
    assert found.is_ok is False
    assert found.detail == "4 nodes of Standard_D2s_v3 have 8 cores; the account may use 0: room for none"
    assert (found.remedy, found.command) == ("ask for more cores (in the portal: Batch account, Quotas)", None)
    family = [{"name": "standardDSv3Family", "coreQuota": 6}]
    quotas(azure, dedicatedCoreQuota=20, dedicatedCoreQuotaPerVMFamily=family)
    found = (await examined(azure))["Spot cores of files-pool"]
    assert found.command == "azd env set BATCHDROP_SPOT false && azd up"
    assert "of which it may use 6 cores" in found.remedy


async def test_a_quota_that_is_too_small_says_for_how_many_nodes_it_is(azure):
    quotas(azure, lowPriorityCoreQuota=7)
    found = (await examined(azure))["Spot cores of files-pool"]
    assert found.detail.endswith("the account may use 7: room for 3 nodes")
    assert found.command == "azd env set BATCHDROP_MAX_NODES 3 && azd up"


async def test_dedicated_nodes_are_counted_by_their_family(azure):
    name = "dedicated cores of files-pool"
    found = (await examined(azure, POOL_SPOT_PERCENT="50"))[name]
    assert found.detail == "2 nodes of Standard_D2s_v3 have 4 cores; the account may use 0: room for none"
    quotas(azure, dedicatedCoreQuota=4, dedicatedCoreQuotaPerVMFamilyEnforced=False)
    assert (await examined(azure, POOL_SPOT_PERCENT="50"))[name].is_ok
    quotas(azure, dedicatedCoreQuota=None, dedicatedCoreQuotaPerVMFamilyEnforced=True)
    assert (await examined(azure, POOL_SPOT_PERCENT="50"))[name].is_ok is False
    # An account whose nodes are in the user's own subscription has no quota of its own.
    azure.resources[BATCH]["properties"] = {"accountEndpoint": "batchtest.westeurope.batch.azure.com"}
    found = await examined(azure, POOL_SPOT_PERCENT="50")
    assert {found[name].is_ok, found["Spot cores of files-pool"].is_ok} == {None}


async def test_a_size_that_batch_has_not_in_this_region_is_named(azure):
    azure.resources[SIZES].pop(0)
    found = (await examined(azure))["Spot cores of files-pool"]
    assert found.detail == "Batch has no VM size STANDARD_D2S_V3 in this region"


@pytest.mark.parametrize(
    ("gone", "name"),
    [
        (APP, "function app"),
        (STORAGE, "storage account exists"),
        (BATCH, "batch account exists"),
        (NODES, "roles of the nodes"),
    ],
)
async def test_what_does_not_exist_is_named_once_and_all_else_is_looked_at(azure, gone, name):
    del azure.resources[gone]
    found = await examined(azure)
    wrong = [one for one in found.values() if not one.is_ok]
    assert [(one.name, one.is_ok, one.command) for one in wrong] == [(name, False, "azd provision --no-state")]


async def test_an_account_of_somebody_else_that_is_missing_is_not_made_by_azd(azure):
    values = app_settings() | ENVIRONMENT | {"BATCHDROP_BATCH_GROUP": "theirs", "BATCHDROP_BATCH_ENDPOINT": "https://x"}
    found = (await examined(azure, values))["batch account exists"]
    assert "/resourceGroups/theirs/" in found.detail
    assert (found.remedy[:31], found.command) == ("correct BATCHDROP_BATCH_ENDPOIN", None)


async def test_an_app_that_is_stopped_is_started_by_a_command(azure):
    azure.resources[APP]["properties"]["state"] = "Stopped"
    found = (await examined(azure))["function app"]
    assert (
        found.command == f"az functionapp start --name func-test --resource-group rg-test --subscription {SUBSCRIPTION}"
    )


async def test_what_may_not_be_asked_is_not_known_and_not_wrong(azure):
    azure.refused = {f"{APP}/config/appsettings/list", BATCH}
    found = await examined(azure)
    unknown = {name for name, one in found.items() if one.is_ok is None}
    assert unknown == {"app settings", "roles of the app", "batch account", "cores"}
    assert not [one for one in found.values() if one.is_ok is False]
    assert found["cores"].detail == "you may not read Microsoft.Batch/batchAccounts/batchtest (AuthorizationFailed)"
    # Said once at the end of a list, since all say the same.
    assert {found[name].remedy for name in unknown} == {
        "to look at everything you need Reader of the subscription, and Website Contributor of the app for its settings"
    }


async def test_an_answer_without_what_is_read_is_no_verdict(azure):
    azure.resources[BATCH] = {"id": BATCH}
    azure.resources[APP]["properties"] = {"state": "Running"}
    found = await examined(azure)
    assert {name for name, one in found.items() if one.is_ok is None} >= {"function app", "batch account", "cores"}
    assert not [one for one in found.values() if one.is_ok is False]


async def test_a_list_that_leads_to_another_host_gets_no_token(azure):
    async with AzureSubscription.after_azd_up({}).served() as elsewhere:
        azure.resources[SIZES] = {"value": [], "nextLink": f"{elsewhere.url}{SIZES}?api-version=2025-06-01"}
        found = (await examined(azure))["cores"]
        assert found.is_ok is None
        assert "the list goes on at another host" in found.detail
        assert elsewhere.asked == []


async def test_a_list_that_does_not_end_is_given_up(azure):
    azure.endless = {SIZES}
    found = (await examined(azure))["cores"]
    assert "the list does not end after 100 pages" in found.detail


def test_what_the_server_of_these_tests_says_azure_could_say(azure):
    for path, (package, model) in MODELS.items():
        said = azure.resources[path]
        assert list(management_models.unknown(package, model, said)) == []


@pytest.mark.parametrize("provider", [one for one in API_VERSIONS if one != "Microsoft.Authorization"])
def test_the_api_versions_are_those_of_the_templates(provider):
    packages = {f"Microsoft.{name}": f"azure.mgmt.{name.lower()}" for name in ("Batch", "EventGrid", "Storage", "Web")}
    if provider in packages:
        assert API_VERSIONS[provider] == management_models.api_version(packages[provider])
    else:
        (version,) = {one[0] for kind, one in management_models.TABLE.items() if kind.startswith(f"{provider}/")}
        assert API_VERSIONS[provider] == version


def test_the_roles_are_called_alike_everywhere():
    assert ROLES == management_models.ROLES


def test_a_deployment_is_known_by_azds_variables_alone():
    values = app_settings() | ENVIRONMENT
    deployment = Deployment.of(values)
    assert (deployment.app_id, deployment.storage_id, deployment.batch_id) == (APP, STORAGE, BATCH)
    for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_APP_NAME"):
        assert Deployment.of(values | {name: " "}) is None
    existing = Deployment.of(values | {"BATCHDROP_BATCH_GROUP": "theirs"})
    assert existing.batch_id == BATCH.replace("rg-test", "theirs")
    hostile = Deployment.of(values | {"AZURE_RESOURCE_GROUP": "../../x?y"})
    assert hostile.app_id == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/..%2F..%2Fx%3Fy" + APP.removeprefix(GROUP)


def test_the_resource_manager_is_that_of_the_accounts_cloud():
    assert endpoint_of("https://a.westeurope.batch.azure.com") == "https://management.azure.com"
    assert endpoint_of("https://a.usgovvirginia.batch.usgovcloudapi.net") == "https://management.usgovcloudapi.net"
    assert endpoint_of("https://a.batch.azure.com.example.org") is None
    assert endpoint_of("http://127.0.0.1:10003") is None
