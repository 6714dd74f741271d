"""Signed requests made by hand: what no SDK would send."""

import base64
import hmac
import json
import time
from email.utils import formatdate
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
from yarl import URL

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY

VERSION = "2025-06-01"
_SIGNED = (
    *("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date"),
    *("If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"),
)


def signature(method, path, query, headers, key=DEFAULT_KEY):
    """Return the Authorization header, computed apart from the emulator's own code."""
    lines = [method, *(headers.get(name, "") for name in _SIGNED)]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("ocp-")]
    text = "\n".join(lines) + f"\n/{DEFAULT_ACCOUNT}{path}"
    text += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    digest = hmac.digest(base64.b64decode(key), text.encode(errors="surrogateescape"), "sha256")
    return f"SharedKey {DEFAULT_ACCOUNT}:{base64.b64encode(digest).decode()}"


async def send(  # noqa: PLR0913 - one knob for each thing a hostile client may get wrong
    url, method, path, query=None, body=None, headers=None, *, key=DEFAULT_KEY, sign_path=None, age=0, **override
):
    """Send a request and return its status, headers and body (JSON decoded where it is JSON)."""
    query = {"api-version": VERSION} | (query or {})
    query = {name: value for name, value in query.items() if value is not None}
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"ocp-date": formatdate(time.time() - age, usegmt=True)} | (headers or {})
    if data is not None:
        headers |= {"Content-Type": "application/json; odata=minimalmetadata", "Content-Length": str(len(data))}
    elif method not in {"GET", "HEAD"}:
        headers |= {"Content-Length": "0"}
    headers["Authorization"] = signature(method, sign_path or path, query, headers, key)
    headers |= override.get("after_signing", {})
    text = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
    target = URL(f"{url}{path}?{text}", encoded=True)
    skip = ["Content-Type"] if data is None else None
    async with (
        aiohttp.ClientSession(skip_auto_headers=skip) as session,
        session.request(method, target, data=data, headers=headers, allow_redirects=False) as response,
    ):
        content = await response.read()
        is_json = response.content_type == "application/json" and content
        return SimpleNamespace(
            status=response.status,
            headers=response.headers,
            body=json.loads(content) if is_json else content,
        )


def values(answer):
    """Return the key-value details of an error body."""
    return {item["key"]: item.get("value", "") for item in answer.body.get("values", [])}
