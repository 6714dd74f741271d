"""Operations on the account as a whole: the images it offers, the hours its pools have used."""

import json
from datetime import datetime
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import invalid_parameter
from batch_emulator.model.supported_images import (
    AGENT_FILTER,
    IMAGE_FILTER,
    image_values,
    node_agents,
    supported_images,
)
from batch_emulator.model.usage_metrics import INTERVAL, intervals, last_interval, usage_on_wire
from batch_emulator.odata.matching import read_matcher
from batch_emulator.odata.query import read_max_results, read_skip_token
from batch_emulator.odata.sql import Property, name_property
from batch_emulator.values.documents import Document
from batch_emulator.values.timestamps import from_wire

_USAGE_FILTER: Final[dict[str, Property]] = {"poolId": name_property("id")}


async def list_supported_images(call: Call) -> web.StreamResponse:
    matches = read_matcher(call.query, IMAGE_FILTER)
    return _page(call, "supportedimages", [image for image in supported_images() if matches(image_values(image))])


async def list_node_agent_skus(call: Call) -> web.StreamResponse:
    """List node agents with their images: "list supported images" of versions before 2019-06-01.9.0."""
    matches = read_matcher(call.query, AGENT_FILTER)
    return _page(call, "nodeagentskus", [agent for agent in node_agents() if matches(agent)])


async def list_pool_usage_metrics(call: Call) -> web.StreamResponse:
    matches = read_matcher(call.query, _USAGE_FILTER)
    return _page(call, "poolusagemetrics", [usage for usage in _usages(call) if matches({"poolId": usage["poolId"]})])


def _usages(call: Call) -> list[Document]:
    store = call.service.store
    default_start, last = last_interval(call.service.clock.now())
    start, end = _time(call, "startTime", default_start), min(_time(call, "endtime", last), last)
    usages: list[Document] = []
    for pool in store.pools.all():
        nodes, size = store.nodes.of_pool(pool.no), json.loads(pool.document)["vmSize"]
        asked = intervals(max(start, from_wire(pool.created) - INTERVAL), end)
        found = [usage_on_wire(pool.id, size, nodes, interval) for interval in asked]
        usages += [usage for usage in found if usage is not None]
    return usages


def _time(call: Call, name: str, default: datetime) -> datetime:
    given = call.query.get(name)
    if given is None:
        return default
    try:
        return from_wire(given)
    except ValueError as exc:
        raise invalid_parameter(name, given, "A date and time in ISO 8601 is expected") from exc


def _page(call: Call, kind: str, items: list[Document]) -> web.StreamResponse:
    """Answer a page of a list that is counted, not keyed."""
    token, limit = read_skip_token(call.query), read_max_results(call.query)
    start = int(token) if token is not None and token.isdecimal() else 0
    more = start + limit < len(items)
    return call.page(kind, items[start : start + limit], str(start + limit) if more else None)
