"""The emulator's own interface, as curl sees it."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp


async def control(url, method, path, body=None, **options):
    """Send an unsigned request to `/_emulator`; return its status, headers and JSON."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}/_emulator{path}", json=body, **options) as response,
    ):
        is_json = response.content_type == "application/json"
        content = await response.json() if is_json else await response.read()
        return SimpleNamespace(status=response.status, headers=response.headers, body=content)


@asynccontextmanager
async def faults(url, *rules):
    """Put rules in force for a while; yield a function that returns how often each struck."""
    added = await control(url, "POST", "/faults", {"faults": list(rules)})
    assert added.status == 201, added.body

    async def struck():
        listed = (await control(url, "GET", "/faults")).body["faults"]
        return [rule["struck"] for rule in listed]

    try:
        yield struck
    finally:
        assert (await control(url, "DELETE", "/faults")).status == 204
