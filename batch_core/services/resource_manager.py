"""Azure Resource Manager, as far as `batchdrop doctor` asks it: it makes resources, and knows what the services do not.

Seven requests of it are not worth its SDKs, of which that for web apps alone has 19 MB.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from batch_core.clocks import ServiceClock
from batch_core.config.clouds import cloud_of
from batch_core.config.service_url import is_this_machine
from batch_core.errors import ServiceError
from batch_core.sdk.translation import translating
from batch_core.services.azure_resources import (
    AppSettings,
    BatchAccount,
    EventSubscription,
    FunctionApp,
    RoleAssignment,
    StorageAccount,
    SystemTopic,
    UserIdentity,
    VmSize,
)
from batch_core.services.retries import RETRY_OPTIONS, BriefRetries
from batch_core.services.transport import BriefTransport

#: The API versions of the templates in infra/, by the provider.
API_VERSIONS: Final = {
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.Batch": "2025-06-01",
    "Microsoft.EventGrid": "2025-02-15",
    "Microsoft.ManagedIdentity": "2024-11-30",
    "Microsoft.Storage": "2025-06-01",
    "Microsoft.Web": "2025-05-01",
}
#: Of a resource, and of its group.
_ABSENT: Final = frozenset({"NotFound", "ResourceNotFound", "ResourceGroupNotFound"})
_MOST_PAGES: Final = 100
_HTTPS_PORT: Final = 443
#: What each error begins with; what was asked for follows.
ASKING: Final = "asking Azure Resource Manager for "


class _Page[T](msgspec.Struct, rename="camel"):
    value: list[T]
    next_link: str | None = None


def endpoint_of(batch_endpoint: str) -> str | None:
    """Return the URL of the Resource Manager of the cloud that a Batch account is in; None: it is in none."""
    cloud = cloud_of(batch_endpoint)
    return cloud.manager if cloud else None


def _origin(url: str) -> tuple[str, str | None, int]:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _HTTPS_PORT


def _asking(path: str) -> str:
    """Say what is asked for, without the ids of subscription and group, which are in every path."""
    return ASKING + path.rpartition("/providers/")[2]


class _ManagementError(HttpResponseError):
    """An error of Resource Manager: its code is in the body, as OData has it."""

    def __init__(self, response: AsyncHttpResponse) -> None:
        super().__init__(message=response.reason, response=response)
        self.error_code = self.error.code if self.error else None


class ResourceManager:
    """What exists in a subscription. Methods raise the `ServiceError` that fits; leave the block to close it."""

    def __init__(self, endpoint: str, subscription: str, credential: AsyncTokenCredential) -> None:
        """`endpoint` is the URL of the cloud's Resource Manager, `subscription` the id of the subscription."""
        self._endpoint = endpoint.rstrip("/")
        self._root = f"/subscriptions/{subscription}"
        self._credential = credential
        signing: Any = AsyncBearerTokenCredentialPolicy(credential, f"{self._endpoint}/.default")
        transport = BriefTransport(ServiceClock(service="Azure Resource Manager"))
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            self._endpoint, policies=[BriefRetries(**RETRY_OPTIONS), signing], transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.close()
        await self._credential.close()

    async def function_app(self, resource_id: str) -> FunctionApp | None:
        """Return the Function App; None: it does not exist."""
        return await self._get(resource_id, FunctionApp)

    async def app_settings(self, app: FunctionApp) -> Mapping[str, str]:
        """Return the settings of a Function App. That needs more than *Reader*: values may be secrets."""
        path = f"{app.id}/config/appsettings/list"
        return (await self._asked(path, AppSettings, method="POST")).properties

    async def storage_account(self, resource_id: str) -> StorageAccount | None:
        """Return a storage account; None: it does not exist."""
        return await self._get(resource_id, StorageAccount)

    async def batch_account(self, resource_id: str) -> BatchAccount | None:
        """Return a Batch account; None: it does not exist."""
        return await self._get(resource_id, BatchAccount)

    async def vm_sizes(self, location: str) -> list[VmSize]:
        """Return the VM sizes that Batch has in a region."""
        return await self._list(
            f"{self._root}/providers/Microsoft.Batch/locations/{location}/virtualMachineSkus", VmSize
        )

    async def identity(self, resource_id: str) -> UserIdentity | None:
        """Return a user-assigned identity; None: it does not exist."""
        return await self._get(resource_id, UserIdentity)

    async def roles(self, scope: str, principal_id: str) -> list[RoleAssignment]:
        """Return the roles that a principal has at a resource: assigned there, above it, or to a group.

        https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest
        """
        return await self._list(
            f"{scope}/providers/Microsoft.Authorization/roleAssignments",
            RoleAssignment,
            {"$filter": f"atScope() and assignedTo('{principal_id}')"},
        )

    async def event_subscriptions(self, source: str) -> list[EventSubscription]:
        """Return the subscriptions to the events of a resource, by whichever topic of this subscription."""
        topics = await self._list(f"{self._root}/providers/Microsoft.EventGrid/systemTopics", SystemTopic)
        found: list[EventSubscription] = []
        for topic in topics:
            if (topic.properties.source or "").lower() == source.lower():
                found += await self._list(f"{topic.id}/eventSubscriptions", EventSubscription)
        return found

    async def _get[T](self, path: str, kind: type[T]) -> T | None:
        try:
            return await self._asked(path, kind)
        except ServiceError as exc:
            if exc.status == HTTPStatus.NOT_FOUND and exc.code in _ABSENT:
                return None
            raise

    async def _asked[T](self, path: str, kind: type[T], *, method: str = "GET") -> T:
        with translating(_asking(path)):
            answer = await self._send(method, path, {})
            return msgspec.json.decode(answer.content, type=kind)

    async def _list[T](self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> list[T]:
        found: list[T] = []
        page_type = _Page[kind]  # type: ignore[valid-type]
        with translating(_asking(path)):
            answer = await self._send("GET", path, query or {})
            for _ in range(_MOST_PAGES):
                page = msgspec.json.decode(answer.content, type=page_type)
                found += page.value
                if not page.next_link:
                    return found
                # A link to elsewhere would get the token, too.
                if _origin(page.next_link) != _origin(self._endpoint):
                    raise ValueError("the list goes on at another host")
                answer = await self._sent(HttpRequest("GET", page.next_link))
            raise ValueError(f"the list does not end after {_MOST_PAGES} pages")

    async def _send(self, method: str, path: str, query: Mapping[str, str]) -> AsyncHttpResponse:
        provider = path.rpartition("/providers/")[2].partition("/")[0]
        asked = HttpRequest(method, path, params={"api-version": API_VERSIONS[provider], **query})
        asked.url = self._client.format_url(asked.url)
        return await self._sent(asked)

    async def _sent(self, request: HttpRequest) -> AsyncHttpResponse:
        is_here = is_this_machine(urlsplit(self._endpoint).hostname)
        answer = await self._client.send_request(request, enforce_https=not is_here)
        if answer.status_code != HTTPStatus.OK:
            raise _ManagementError(answer)
        return answer
