"""Requests to Storage signed with the account's key, for a service that no SDK of the app calls.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#blob-queue-and-file-services-shared-key-authorization
"""

import base64
import hmac
from collections.abc import Mapping
from email.utils import formatdate
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

_SIGNED_HEADERS: Final = (
    *("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date"),
    *("If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"),
)


class SharedKeyPolicy(SansIOHTTPPolicy[Any, Any]):
    """Signs each try of a request, with the time of that try."""

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        super().__init__()
        self._credential = credential

    def on_request(self, request: PipelineRequest[Any]) -> None:
        sent, (account, key) = request.http_request, self._credential.named_key
        sent.headers["x-ms-date"] = formatdate(usegmt=True)
        text = string_to_sign(sent.method, sent.url, sent.headers, account)
        signature = hmac.digest(base64.b64decode(key), text.encode(), sha256)
        sent.headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(signature).decode()}"


def string_to_sign(method: str, url: str, headers: Mapping[str, str], account: str) -> str:
    """Return what the key signs of a request."""
    given = {name.lower(): value for name, value in headers.items()}
    # From version 2015-02-21 on an empty body has no length here.
    standard = [_without_zero(given.get(name.lower(), "")) for name in _SIGNED_HEADERS]
    extra = [f"{name}:{value}" for name, value in sorted(given.items()) if name.startswith("x-ms-")]
    parts = urlsplit(url)
    resource = [
        f"/{account}{parts.path}",
        *(f"{name.lower()}:{value}" for name, value in sorted(parse_qsl(parts.query))),
    ]
    return "\n".join([method, *standard, *extra, *resource])


def _without_zero(value: str) -> str:
    return "" if value == "0" else value
