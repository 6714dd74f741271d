"""A subscription as Azure Resource Manager shows it, with what the templates make in it: a server on this machine.

No Resource Manager can be had here. The bodies are those of the management SDKs' models (`test_doctor.py` compares
them), the errors and lists those of https://learn.microsoft.com/azure/azure-resource-manager/management/resource-api.
"""

import re
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from batch_core.services.resource_manager import API_VERSIONS
from tests.infra.bicep import source, template

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test"
APP = f"{GROUP}/providers/Microsoft.Web/sites/func-test"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sttest"
BATCH = f"{GROUP}/providers/Microsoft.Batch/batchAccounts/batchtest"
INSIGHTS = f"{GROUP}/providers/Microsoft.Insights/components/appi-test"
TOPIC = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/evgt-test"
NODES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-nodes-test"
SIZES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Batch/locations/westeurope/virtualMachineSkus"
TOPICS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.EventGrid/systemTopics"
CONTAINERS = f"{STORAGE}/blobServices/default/containers"
APP_CLIENT = "11111111-2222-3333-4444-555555555555"
APP_PRINCIPAL = "aaaaaaaa-0000-0000-0000-000000000001"
NODES_PRINCIPAL = "aaaaaaaa-0000-0000-0000-000000000002"
HOST = "func-test.azurewebsites.net"

#: What the names of the templates' scopes and principals are here.
_SCOPES = {
    "storage": STORAGE,
    "account": BATCH,
    "insights": INSIGHTS,
    "inputFiles": f"{CONTAINERS}/input",
    "outputFiles": f"{CONTAINERS}/output",
}
_PRINCIPALS = {"appPrincipalId": APP_PRINCIPAL, "nodesPrincipalId": NODES_PRINCIPAL}


def roles_of_the_templates() -> dict[tuple[str, str], set[str]]:
    """Return the ids of the roles that Bicep assigns, by scope and principal; those of persons are left out."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name in ("roles.bicep", "pool.bicep"):
        file = template(name)
        ids = {one.name: source(one.value).strip("'") for one in file.of("variable").values()}
        for one in file.resources.values():
            if one.resource_type != "Microsoft.Authorization/roleAssignments":
                continue
            scope, principal, role = (
                re.search(pattern, one.text)[1]
                for pattern in (r"\bscope: (\w+)", r"\bprincipalId: (\w+)", r"roleDefinitions', (\w+)")
            )
            looped = re.search(r"for role in \[(.*?)\]", one.text)
            names = looped[1].split(", ") if looped else [role]
            if principal in _PRINCIPALS:
                found[_SCOPES[scope], _PRINCIPALS[principal]] |= {ids[name] for name in names}
    return found


@dataclass
class AzureSubscription:
    """What exists, by path; a test changes it. `asked` holds what was asked for, as method and path."""

    resources: dict[str, Any]
    roles: dict[tuple[str, str], set[str]] = field(default_factory=roles_of_the_templates)
    refused: set[str] = field(default_factory=set)
    #: Roles that are assigned under a condition.
    conditions: set[str] = field(default_factory=set)
    #: Lists whose only page leads to itself.
    endless: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @classmethod
    def after_azd_up(cls, app_settings: dict[str, str]) -> "AzureSubscription":
        client = {"clientId": APP_CLIENT, "principalId": APP_PRINCIPAL}
        identity = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app-test"
        site = {
            "id": APP,
            "name": "func-test",
            "location": "West Europe",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: client}},
            "properties": {"state": "Running", "defaultHostName": HOST},
        }
        endpoints = {kind: f"https://sttest.{kind}.core.windows.net/" for kind in ("blob", "queue", "table", "file")}
        storage = {"id": STORAGE, "name": "sttest", "properties": {"primaryEndpoints": endpoints}}
        batch = {
            "id": BATCH,
            "name": "batchtest",
            "location": "westeurope",
            "properties": {
                "accountEndpoint": "batchtest.westeurope.batch.azure.com",
                "dedicatedCoreQuota": 0,
                "dedicatedCoreQuotaPerVMFamily": [{"name": "standardDSv3Family", "coreQuota": 0}],
                "dedicatedCoreQuotaPerVMFamilyEnforced": True,
                "lowPriorityCoreQuota": 10,
            },
        }
        subscription = {
            "id": f"{TOPIC}/eventSubscriptions/input-files",
            "name": "input-files",
            "properties": {
                "provisioningState": "Succeeded",
                "destination": {
                    "endpointType": "WebHook",
                    "properties": {"endpointBaseUrl": f"https://{HOST}/runtime/webhooks/blobs"},
                },
                "filter": {
                    "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
                    "subjectBeginsWith": "/blobServices/default/containers/input/",
                },
            },
        }
        topic = {"id": TOPIC, "name": "evgt-test", "properties": {"source": STORAGE.lower()}}
        other = {"id": f"{TOPIC}-other", "name": "evgt-other", "properties": {"source": f"{STORAGE}2"}}
        sizes = [_size("Standard_D2s_v3", "standardDSv3Family", 2), _size("Standard_D64s_v3", "standardDSv3Family", 64)]
        nodes = {"clientId": "11111111-2222-3333-4444-666666666666", "principalId": NODES_PRINCIPAL}
        return cls(
            resources={
                APP: site,
                f"{APP}/config/appsettings/list": {"properties": app_settings},
                STORAGE: storage,
                BATCH: batch,
                NODES: {"id": NODES, "properties": nodes},
                TOPICS: [other, topic],
                f"{TOPIC}/eventSubscriptions": [subscription],
                SIZES: sizes,
            }
        )

    @asynccontextmanager
    async def served(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        provider = request.path.rpartition("/providers/")[2].partition("/")[0]
        if error := self._refusal(request, provider):
            return error
        if request.path in self.endless:
            return web.json_response({"value": [], "nextLink": str(request.url)})
        if provider == "Microsoft.Authorization":
            return self._assignments(request)
        found = self.resources.get(request.path)
        if found is None or (request.method == "POST") != request.path.endswith("/list"):
            return _error(404, "ResourceNotFound")
        return _page(request, found) if isinstance(found, list) else web.json_response(found)

    def _refusal(self, request: web.Request, provider: str) -> web.Response | None:
        if request.headers.get("Authorization") != "Bearer token-of-a-person":
            return _error(401, "AuthenticationFailed")
        if request.query.get("api-version") != API_VERSIONS[provider]:
            return _error(400, "InvalidApiVersionParameter")
        return _error(403, "AuthorizationFailed") if request.path in self.refused else None

    def _assignments(self, request: web.Request) -> web.Response:
        scope = request.path.partition("/providers/Microsoft.Authorization")[0]
        principal = re.fullmatch(r"atScope\(\) and assignedTo\('([0-9a-f-]{36})'\)", request.query["$filter"])[1]
        ids = {
            role
            for (where, who), roles in self.roles.items()
            if who == principal and f"{scope}/".startswith(f"{where}/")
            for role in roles
        }
        definitions = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
        assigned = [
            {
                "roleDefinitionId": f"{definitions}/{one.upper()}",
                "principalId": principal,
                "condition": "@Resource..." if one in self.conditions else None,
            }
            for one in sorted(ids)
        ]
        return web.json_response({"value": [{"properties": one} for one in assigned]})


def _size(name: str, family: str, cores: int) -> dict[str, Any]:
    # The values of all capabilities are texts: LocationListVirtualMachineSkus.json of azure-rest-api-specs.
    capabilities = [{"name": "MemoryGB", "value": "8"}, {"name": "vCPUs", "value": str(cores)}]
    return {"name": name, "familyName": family, "capabilities": capabilities}


def _page(request: web.Request, items: list[Any]) -> web.Response:
    """Return a page of one item, and the link to the next."""
    number = int(request.query.get("$skiptoken", "0"))
    document: dict[str, Any] = {"value": items[number : number + 1]}
    if number + 1 < len(items):
        document["nextLink"] = str(request.url.update_query({"$skiptoken": str(number + 1)}))
    return web.json_response(document)


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": f"{code} of a test"}}, status=status)
