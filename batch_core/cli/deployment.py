"""A deployment on Azure: where azd's environment says that it is, and what Azure Resource Manager says of it.

The services answer to the roles of the person that asks. Whether the app and its nodes have theirs, whether events get
to the trigger, and how many cores the account may use, only Resource Manager says.
"""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from batch_core.app import App
from batch_core.cli.core_quota import demands, judge_quotas
from batch_core.cli.deployed_settings import judge_settings
from batch_core.cli.event_route import EventRoute
from batch_core.cli.remedies import AZD, AZD_PROVISION, Finding, with_remedy
from batch_core.cli.roles import (
    BATCH_CONTRIBUTOR,
    BLOB_CONTRIBUTOR,
    METRICS_PUBLISHER,
    QUEUE_CONTRIBUTOR,
    TABLE_CONTRIBUTOR,
    Need,
    app_needs,
    node_needs,
)
from batch_core.config.identity import client_id_of
from batch_core.config.names import DATA_STORAGE
from batch_core.config.routes import Stdout
from batch_core.errors import AccessDenied, AppError, RoutesError
from batch_core.redaction import shown
from batch_core.services.azure_resources import BatchAccount, FunctionApp, StorageAccount
from batch_core.services.resource_manager import ASKING, ResourceManager, endpoint_of
from batch_core.summary import PoolSummary

_PATIENCE_SECONDS: Final = 60
_MAY_LOOK: Final = (
    "to look at everything you need Reader of the subscription, and Website Contributor of the app for its settings"
)
#: Of a person, by the name of a finding: the first that it begins with.
_PERSONS_ROLES: Final = (
    ("table", TABLE_CONTRIBUTOR),
    ("open work", TABLE_CONTRIBUTOR),
    ("event", QUEUE_CONTRIBUTOR),
    ("batch", BATCH_CONTRIBUTOR),
    ("pool", BATCH_CONTRIBUTOR),
    ("", BLOB_CONTRIBUTOR),
)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where a deployment is: ids of Azure Resource Manager; `insights_id` is empty where it is not known."""

    #: The URL of the cloud's Resource Manager.
    manager: str
    subscription: str
    group: str
    app_name: str
    app_id: str
    storage_id: str
    batch_id: str
    insights_id: str
    #: The Batch account was there before, and Bicep has not made it.
    is_batch_theirs: bool
    values: Mapping[str, str]

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Deployment | None":
        """Read the variables that `azd env get-values` gives; None: they are not there, or lead to no cloud."""
        manager = endpoint_of(values.get("BATCH_ENDPOINT", ""))
        named = [values.get(name, "").strip() for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP")]
        app_name = values.get("AZURE_FUNCTION_APP_NAME", "").strip()
        if manager is None or not all((*named, app_name)):
            return None
        subscription, group = named
        batch_group = values.get("BATCHDROP_BATCH_GROUP", "").strip() or group
        insights = values.get("AZURE_INSIGHTS_NAME", "").strip()

        def resource(kind: str, name: str, group: str = group) -> str:
            parts = ("subscriptions", subscription, "resourceGroups", group, "providers", *kind.split("/"), name)
            return "/" + "/".join(quote(part, safe="") for part in parts)

        return cls(
            manager=manager,
            subscription=subscription,
            group=group,
            app_name=app_name,
            app_id=resource("Microsoft.Web/sites", app_name),
            storage_id=resource(
                "Microsoft.Storage/storageAccounts", _first_label(values.get(f"{DATA_STORAGE}__blobServiceUri", ""))
            ),
            batch_id=resource(
                "Microsoft.Batch/batchAccounts", _first_label(values.get("BATCH_ENDPOINT", "")), batch_group
            ),
            insights_id=resource("Microsoft.Insights/components", insights) if insights else "",
            is_batch_theirs=bool(values.get("BATCHDROP_BATCH_ENDPOINT", "").strip()),
            values=values,
        )

    def advised(self, finding: Finding) -> Finding:
        """Return a finding with what to do about it here, if it is wrong and that is known."""
        found = with_remedy(finding, AZD)
        is_refused = found.is_wrong and found.remedy in {AZD.storage_access, AZD.batch_access}
        return self._with_persons_role(found) if is_refused else found

    def _with_persons_role(self, finding: Finding) -> Finding:
        """Return a finding with what gives the person that is signed in the role that it is about.

        Bicep does for the one that deploys, but in a Batch account that it has not made.
        """
        role = next(role for prefix, role in _PERSONS_ROLES if finding.name.startswith(prefix))
        if role != BATCH_CONTRIBUTOR or not self.is_batch_theirs:
            remedy = (
                f"you need {role}: `{AZD_PROVISION}` assigns it to whom it is run by; for others, docs/azure.md#roles"
            )
            return replace(finding, remedy=remedy, command=AZD_PROVISION)
        person = '"$(az ad signed-in-user show --query id -o tsv)"'
        command = f'az role assignment create --assignee {person} --role "{role}" --scope "{unquote(self.batch_id)}"'
        return replace(finding, remedy=f"you need {role} of the account: its owner assigns it", command=command)


async def examine_deployment(
    app: App, deployment: Deployment, manager: ResourceManager, pools: Sequence[PoolSummary]
) -> list[Finding]:
    """Ask Resource Manager for all that the services do not say. Raises nothing that it does."""
    site, storage, batch = await asyncio.gather(
        _in_time(manager.function_app(deployment.app_id)),
        _in_time(manager.storage_account(deployment.storage_id)),
        _in_time(manager.batch_account(deployment.batch_id)),
        return_exceptions=True,
    )
    settings = (await asyncio.gather(_in_time(_settings(manager, site)), return_exceptions=True))[0]
    one = _Examination(app, deployment, manager, pools, _Facts(site, settings, storage, batch))
    parts = {
        "function app": one.function_app,
        "storage account": one.storage_account,
        "batch account": one.batch_account,
        "app settings": one.app_settings,
        "roles of the app": one.roles_of_app,
        "roles of the nodes": one.roles_of_nodes,
        "event subscription": one.event_subscription,
        "cores": one.cores,
    }
    return [finding for found in await asyncio.gather(*(_said(*part) for part in parts.items())) for finding in found]


async def _in_time[T](asked: Awaitable[T]) -> T:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        return await asked


async def _settings(manager: ResourceManager, site: FunctionApp | BaseException | None) -> Mapping[str, str] | None:
    found = _known(site)
    return await manager.app_settings(found) if found else None


async def _said(name: str, part: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    try:
        return await _in_time(part())
    except AccessDenied as exc:
        detail = f"you may not read {exc.action.removeprefix(ASKING)} ({exc.code or f'HTTP {exc.status}'})"
        return [Finding(name=name, is_ok=None, detail=detail, remedy=_MAY_LOOK)]
    except (AppError, TimeoutError, ValueError) as exc:
        why = str(exc) or f"no answer within {_PATIENCE_SECONDS} seconds"
        return [Finding(name=name, is_ok=None, detail=f"Azure Resource Manager does not say: {why}")]


def _known[T](answer: T | BaseException) -> T:
    if isinstance(answer, BaseException):
        raise answer
    return answer


@dataclass(frozen=True)
class _Facts:
    """What the parts share: each is as Resource Manager says, None if it does not exist, or raised where it failed."""

    _site: FunctionApp | BaseException | None
    _settings: Mapping[str, str] | BaseException | None
    _storage: StorageAccount | BaseException | None
    _batch: BatchAccount | BaseException | None

    @property
    def site(self) -> FunctionApp | None:
        return _known(self._site)

    @property
    def settings(self) -> Mapping[str, str] | None:
        return _known(self._settings)

    @property
    def storage(self) -> StorageAccount | None:
        return _known(self._storage)

    @property
    def batch(self) -> BatchAccount | None:
        return _known(self._batch)


@dataclass(frozen=True)
class _Examination:
    """What there is to find out; of what does not exist, its own part speaks, and the others say nothing."""

    app: App
    deployment: Deployment
    manager: ResourceManager
    pools: Sequence[PoolSummary]
    facts: _Facts

    async def function_app(self) -> list[Finding]:
        name, where = "function app", f"Function App {self.deployment.app_name}"
        site = self.facts.site
        if site is None:
            return [self._missing(name, where)]
        if site.properties.state == "Running":
            return [
                Finding(name=name, is_ok=True, detail=f"{where} runs at https://{site.properties.default_host_name}")
            ]
        deployed = self.deployment
        options = {"name": deployed.app_name, "resource-group": deployed.group, "subscription": deployed.subscription}
        command = " ".join(["az functionapp start", *(f"--{key} {shlex.quote(text)}" for key, text in options.items())])
        detail = f"{where} does not run: its state is {site.properties.state!r}"
        return [Finding(name=name, is_ok=False, detail=detail, remedy="start it", command=command)]

    async def storage_account(self) -> list[Finding]:
        name = self.deployment.storage_id.rpartition("/")[2]
        return [] if self.facts.storage else [self._missing("storage account exists", f"storage account {name}")]

    async def batch_account(self) -> list[Finding]:
        name, what = "batch account exists", f"Batch account {self.deployment.batch_id.rpartition('/')[2]}"
        if self.facts.batch:
            return []
        if not self.deployment.is_batch_theirs:
            return [self._missing(name, what)]
        detail = f"{what} does not exist, or not in this resource group: {self.deployment.batch_id}"
        return [
            Finding(
                name=name,
                is_ok=False,
                detail=detail,
                remedy="correct BATCHDROP_BATCH_ENDPOINT and BATCHDROP_BATCH_GROUP",
            )
        ]

    async def app_settings(self) -> list[Finding]:
        settings, storage = self.facts.settings, self.facts.storage
        if settings is None or storage is None:
            return []
        return judge_settings(settings, self.deployment.values, storage.properties.primary_endpoints)

    async def roles_of_app(self) -> list[Finding]:
        """Judge what the app may do as the identity that its settings name."""
        site, settings, storage = self.facts.site, self.facts.settings, self.facts.storage
        if site is None or settings is None or storage is None:
            return []
        client_id = client_id_of(settings, DATA_STORAGE)
        principal = site.identity.principal_of(client_id) if site.identity else None
        if principal is None:
            which = f"with client id {shown(client_id)}" if client_id else "of its own"
            detail = f"the app has no identity {which}"
            return [Finding(name="roles of the app", is_ok=False, detail=detail, remedy=AZD.make)]
        hosts = _account(settings, "AzureWebJobsStorage") in {storage.name, ""}
        needs = [] if settings.get(DATA_STORAGE) else [*app_needs(principal, storage.id, storage.name, hosts=hosts)]
        if (batch := self.facts.batch) and not settings.get("BATCH_ACCOUNT_KEY"):
            place = f"Batch account {batch.name}"
            needs.append(
                Need(name="app on batch", role=BATCH_CONTRIBUTOR, principal_id=principal, scope=batch.id, place=place)
            )
        if scope := self.deployment.insights_id:
            place = f"Application Insights {scope.rpartition('/')[2]}"
            needs.append(
                Need(name="app on logs", role=METRICS_PUBLISHER, principal_id=principal, scope=scope, place=place)
            )
        return await self._judge(needs)

    async def roles_of_nodes(self) -> list[Finding]:
        """Judge what nodes may do as the identity of their pool, if they read and write by one."""
        storage, resource_id = self.facts.storage, self.app.settings.task.identity_resource_id
        if storage is None or not resource_id:
            return []
        identity = await self.manager.identity(resource_id)
        if identity is None:
            return [self._missing("roles of the nodes", f"the nodes' identity {resource_id}")]
        output = self.app.settings.output_container if self._nodes_upload else ""
        principal = identity.properties.principal_id
        if principal is None:
            return [Finding(name="roles of the nodes", is_ok=None, detail=f"{resource_id} does not say its principal")]
        return await self._judge([*node_needs(principal, storage.id, self.app.settings.input_container, output)])

    async def event_subscription(self) -> list[Finding]:
        site, storage = self.facts.site, self.facts.storage
        if site is None or storage is None or self.app.settings.intake.is_scanned:
            return []
        route = EventRoute(
            storage_name=storage.name,
            input_container=self.app.settings.input_container,
            app_host=site.properties.default_host_name,
            now=self.app.now(),
        )
        return [route.judge(await self.manager.event_subscriptions(storage.id))]

    async def cores(self) -> list[Finding]:
        batch = self.facts.batch
        settings_pool = self.app.settings.pool.id
        wanted = [one for pool in self.pools for one in demands(pool.pool, pool.status, settings_pool)]
        if batch is None or not wanted:
            return []
        return judge_quotas(batch.properties, await self.manager.vm_sizes(batch.location), wanted)

    @property
    def _nodes_upload(self) -> bool:
        try:
            routes = self.app.routes().routes
        except RoutesError:
            return True
        return any(route.outputs or route.stdout is Stdout.UPLOAD for route in routes)

    async def _judge(self, needs: Sequence[Need]) -> list[Finding]:
        assigned = await asyncio.gather(*(self.manager.roles(need.scope, need.principal_id) for need in needs))
        return [need.judge(roles) for need, roles in zip(needs, assigned, strict=True)]

    def _missing(self, name: str, what: str) -> Finding:
        detail = f"{what} does not exist, or is in another resource group than {self.deployment.group}"
        return Finding(name=name, is_ok=False, detail=detail, remedy=AZD.make, command=AZD_PROVISION)


def _account(settings: Mapping[str, str], connection: str) -> str:
    return _first_label(settings.get(f"{connection}__blobServiceUri", "")) or settings.get(
        f"{connection}__accountName", ""
    )


def _first_label(url: str) -> str:
    """Return the account's name in the URL of one of its services; empty where it is none."""
    try:
        return (urlsplit(url.strip()).hostname or "").partition(".")[0]
    except ValueError:
        return ""
