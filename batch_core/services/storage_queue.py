"""A storage queue that messages are sent to.

A few requests without an SDK: the app's packages hold none for queues, and azure-core, which they need, can send them.
https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core import AsyncPipelineClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from batch_core.errors import Conflict, Missing
from batch_core.sdk.translation import translating
from batch_core.services.retries import RETRY_OPTIONS, BriefRetries
from batch_core.services.shared_key import SharedKeyPolicy
from batch_core.services.transport import BriefTransport

#: Knows identities (2017-11-09) and messages of 64 KiB (2011-08-18).
_VERSION: Final = "2021-12-02"
#: Of a message as it is sent, in bytes (https://learn.microsoft.com/rest/api/storageservices/put-message), and of the
#: text that becomes as much in base64.
MAX_MESSAGE: Final = 64 * 1024
MAX_TEXT: Final = MAX_MESSAGE // 4 * 3
#: Also a message whose answer was lost: it would be sent again in any case, only later.
_RETRIED: Final = frozenset({"GET", "PUT", "POST", "DELETE"})
_SCOPE: Final = "https://storage.azure.com/.default"


class _QueueError(HttpResponseError):
    """An error of the Queue service, whose code is in a header as well as in the body's XML.

    https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
    """

    def __init__(self, response: AsyncHttpResponse) -> None:
        super().__init__(message=response.reason, response=response)
        self.error_code = response.headers.get("x-ms-error-code")


class StorageQueue:
    """One queue. Methods raise the `ServiceError` that fits."""

    def __init__(
        self,
        endpoint: str,
        name: str,
        credential: AzureNamedKeyCredential | AsyncTokenCredential,
        transport: BriefTransport,
    ) -> None:
        """`endpoint` is the URL of the account's Queue service."""
        self.name = name
        signing: Any = (
            SharedKeyPolicy(credential)
            if isinstance(credential, AzureNamedKeyCredential)
            else AsyncBearerTokenCredentialPolicy(credential, _SCOPE)
        )
        policies = [BriefRetries(**RETRY_OPTIONS), signing]
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            endpoint, policies=policies, transport=transport
        )

    async def close(self) -> None:
        await self._client.close()

    async def send(self, text: str) -> None:
        """Send a message, in base64, as a function with a queue trigger expects it unless its host.json says otherwise.

        Sent once more where it is not known to have been taken: so it may arrive twice. A message that nobody takes is
        gone after seven days.
        https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json
        """
        encoded = base64.b64encode(text.encode()).decode()
        body = f"<QueueMessage><MessageText>{encoded}</MessageText></QueueMessage>"
        with self._found(f"sending to queue {self.name}"):
            await self._call("POST", "/messages", body)

    async def try_sending(self) -> None:
        """Send what is no message: raises `AccessDenied` where a message would not be taken either.

        Of a queue that does not exist it need say nothing: the service may look at the body first.
        """
        with self._found(f"sending to queue {self.name}"):
            try:
                await self._call("POST", "/messages", "<QueueMessage/>")
            except HttpResponseError as exc:
                if exc.status_code != 400:
                    raise

    async def message_count(self) -> int:
        """Return about how many messages wait in the queue."""
        with self._found(f"looking at queue {self.name}"):
            answer = await self._call("GET", "?comp=metadata")
            return int(answer.headers["x-ms-approximate-messages-count"])

    async def create(self) -> None:
        """Make the queue; raises `Conflict` if it exists, of which the service says nothing where both are alike."""
        action = f"creating queue {self.name}"
        with translating(action):
            if (await self._call("PUT")).status_code == 204:
                raise Conflict(action, status=204, code="QueueAlreadyExists")

    async def delete(self) -> None:
        """Delete the queue with its messages."""
        with translating(f"deleting queue {self.name}"):
            await self._call("DELETE")

    @contextmanager
    def _found(self, action: str) -> Iterator[None]:
        try:
            with translating(action):
                yield
        except Missing as exc:
            detail = "the queue does not exist: `batchdrop setup` makes it"
            raise Missing(exc.action, status=exc.status, code=exc.code, detail=detail) from exc

    async def _call(self, method: str, path: str = "", body: str = "") -> AsyncHttpResponse:
        headers = {"x-ms-version": _VERSION, **({"Content-Type": "application/xml"} if body else {})}
        request = HttpRequest(method, f"/{self.name}{path}", headers=headers, content=body.encode() if body else None)
        request.url = self._client.format_url(request.url)
        answer = await self._client.send_request(request, retry_on_methods=_RETRIED)
        if not 200 <= answer.status_code < 300:
            raise _QueueError(answer)
        return answer
