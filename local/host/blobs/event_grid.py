"""The webhook to which Event Grid posts that a blob was created.

https://learn.microsoft.com/azure/azure-functions/functions-event-grid-blob-trigger
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from aiohttp import web

from local.host.blobs.dispatcher import RegisteredBlobTrigger
from local.host.blobs.message import BlobMessage, quoted
from local.host.json_text import posted_json

PATH: Final = "/runtime/webhooks/blobs"


@dataclass(frozen=True, kw_only=True)
class EventGridWebhook:
    """Puts created blobs in the blob queue; `triggers` are by the function's full name.

    The `code` of the URL (the system key `blobs_extension`) is not checked, as no key is on this local host. Nothing is
    filtered, neither by the event's type nor by the trigger's path: the subscription must do that. The header
    `aeg-event-type` says what a POST is (HttpRequestProcessor.cs of the real host's Storage extension).
    """

    triggers: Mapping[str, RegisteredBlobTrigger]
    enqueue: Callable[[BlobMessage], Awaitable[None]]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a POST of events in the Event Grid schema."""
        registered = self.triggers.get(request.query.get("functionName", ""))
        if registered is None:
            return _refusal(HTTPStatus.NOT_FOUND, "functionName names no blob trigger of this app")
        kind = request.headers.get("aeg-event-type", "")
        try:
            match kind:
                case "SubscriptionValidation":
                    return web.json_response(
                        {"validationResponse": (await posted_json(request))[0]["data"]["validationCode"]}
                    )
                case "Notification":
                    return await self._take(registered, await posted_json(request))
                case "Unsubscribe":
                    return web.Response(status=HTTPStatus.ACCEPTED)
            return _refusal(HTTPStatus.BAD_REQUEST, f"the header aeg-event-type is {kind!r}: it must say what this is")
        except (ValueError, LookupError, TypeError) as exc:
            return _refusal(HTTPStatus.BAD_REQUEST, f"not an array of Event Grid events: {exc!r}")

    async def _take(self, registered: RegisteredBlobTrigger, posted: Any) -> web.Response:  # noqa: ANN401  # any JSON
        for message in [_message(registered, event["data"]) for event in _array(posted)]:
            await self.enqueue(message)
        return web.Response(status=HTTPStatus.ACCEPTED)


def _message(registered: RegisteredBlobTrigger, data: object) -> BlobMessage:
    if not isinstance(data, dict) or not all(
        isinstance(data.get(name, ""), str) for name in ("url", "eTag", "blobType")
    ):
        raise TypeError("data must be an object whose url, eTag and blobType are texts")
    container, blob = _container_and_blob(data["url"], registered.service.url)
    return BlobMessage(
        function=registered.trigger.function.full_name,
        container=container,
        blob=blob,
        etag=quoted(data.get("eTag", "")),
        blob_type=data.get("blobType", "BlockBlob"),
    )


def _array(posted: object) -> list[Any]:
    if not isinstance(posted, list):
        raise TypeError("an array is expected")
    return posted


def _container_and_blob(url: str, account_url: str) -> tuple[str, str]:
    # In path-style URLs (an emulator's) the account's name comes before the container's.
    account_path = urlsplit(account_url).path.rstrip("/") + "/"
    path = urlsplit(url).path
    container, _, blob = path.removeprefix(account_path).lstrip("/").partition("/")
    return container, unquote(blob)


def _refusal(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
