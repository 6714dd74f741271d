"""Operations of Azure Resource Manager on the pools of the account."""

import json
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_conditions
from batch_emulator.errors import BatchError, ErrorCode, invalid_parameter
from batch_emulator.handlers.pool_changes import check_steady
from batch_emulator.handlers.pools import check_new, find_pool
from batch_emulator.management.addresses import account_id, url_path
from batch_emulator.management.answers import answer, without_body
from batch_emulator.management.pool_reading import PROPERTY_OF, is_auto, read_properties, read_scale
from batch_emulator.management.pool_showing import pool_resource, weak_etag
from batch_emulator.model.auto_scale import read_enabling, without_auto_scale
from batch_emulator.model.package_references import references_of
from batch_emulator.model.pool_changes import CHANGEABLE_WHEN_EMPTY, changed, read_pool_update
from batch_emulator.model.pools import read_pool
from batch_emulator.odata.query import next_link, read_list_query
from batch_emulator.odata.sql import Property, enum_property, name_property, text_property, time_property
from batch_emulator.scheduling.allocation import Resize
from batch_emulator.store.pools import PoolRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import AllocationState, DeallocationOption, PoolState
from batch_emulator.values.timestamps import http_date

#: For how long a client is asked to wait for the end of a deletion, in seconds; the service says 15.
_RETRY_AFTER: Final = "1"
_DELETION: Final = "delete-"

#: What the filter of a list may name, of what its documentation allows.
_FILTER: Final[dict[str, Property]] = {
    "name": text_property("id"),
    "properties/allocationState": enum_property("allocation_state", AllocationState),
    "properties/allocationStateTransitionTime": time_property("allocation_time"),
    "properties/creationTime": time_property("created"),
    "properties/lastModified": time_property("modified"),
    "properties/vmSize": name_property("vm_size"),
}


async def create_pool(call: Call) -> web.StreamResponse:
    """Make a pool, or bring one that exists to what is sent: a template may be deployed again."""
    body, name = await call.body(), call.parameters[-1]
    existing = call.service.store.pools.get(name)
    if existing is not None and existing.state != PoolState.DELETING:
        check_conditions(call.request.headers, existing.modified, reading=False)
        return _shown(call, await _update(call, existing, body))
    if "If-Match" in call.request.headers:
        raise BatchError(ErrorCode.CONDITION_NOT_MET)
    return _shown(call, _create(call, name, existing, body))


def _create(call: Call, name: str, existing: PoolRow | None, body: Document) -> PoolRow:
    check_new(existing)
    pool = read_pool({"id": name, **read_properties(body), **_size(read_scale(body))})
    del pool["id"]
    service = call.service
    service.applications.check(references_of(pool))
    service.images.check(pool)
    service.controls.quotas.check_new_pool(service.store)
    return service.pools.create(name, pool)


def _size(scale: Document | None) -> Document:
    """Return what a new pool says of its size: how nodes leave is nothing to it."""
    if scale is None:
        return {}
    if is_auto(scale):
        return {"enableAutoScale": True, **scale}
    return {key: value for key, value in scale.items() if key != "nodeDeallocationOption"}


async def update_pool(call: Call) -> web.StreamResponse:
    body = await call.body()
    row = _changeable(call)
    return _shown(call, await _update(call, row, body))


async def _update(call: Call, row: PoolRow, body: Document) -> PoolRow:
    """Change what is named and differs. Raises PropertyCannotBeUpdated for what a pool with nodes keeps."""
    given, scale = read_properties(body), read_scale(body)
    current = json.loads(row.document)
    changes = read_pool_update(given)
    changes |= {name: given[name] for name in ("identity", "tags") if name in given}
    changes = {name: value for name, value in changes.items() if value != current.get(name)}
    _check_changeable(call, row, changes)
    if changes:
        call.service.applications.check(references_of(changes))
        call.service.images.check(changes)
        call.service.pools.change(row, changed(current, changes))
    return _scaled(call, _again(call, row), scale)


def _check_changeable(call: Call, row: PoolRow, changes: Document) -> None:
    """Refuse what can be changed only while a pool is empty, as https://github.com/Azure/Batch/issues/85 quotes it."""
    fixed = next((name for name in CHANGEABLE_WHEN_EMPTY if name in changes), None)
    is_empty = not sum(call.service.store.nodes.kinds(row.no)) and row.allocation_state == AllocationState.STEADY
    if fixed is not None and not is_empty:
        name = PROPERTY_OF.get(fixed, fixed)
        error = ErrorCode.PROPERTY_CANNOT_BE_UPDATED
        raise BatchError(error, Reason=error.message, PropertyName=name, PropertyPath=f"properties.{name}")


def _scaled(call: Call, row: PoolRow, scale: Document | None) -> PoolRow:
    """Begin to bring a pool to another size, if it is another."""
    current = json.loads(row.document)
    if scale is None or all(current.get(name) == value for name, value in _size(scale).items()):
        return row
    check_steady(row)
    if is_auto(scale):
        call.service.auto_scale.enable(row, read_enabling(scale, current))
        return _again(call, row)
    if current["enableAutoScale"]:
        current = without_auto_scale(current)
        call.service.auto_scale.disable(row, current)
    option = DeallocationOption(scale.get("nodeDeallocationOption", DeallocationOption.REQUEUE))
    resize = Resize(option=option, timeout=seconds_of(scale["resizeTimeout"]), leaving=frozenset())
    call.service.pools.resize(row, {**current, **_size(scale)}, resize)
    return _again(call, row)


async def get_pool(call: Call) -> web.StreamResponse:
    return _shown(call, find_pool(call, call.parameters[-1]))


async def list_pools(call: Call) -> web.StreamResponse:
    if "$select" in call.query:
        raise invalid_parameter("$select", call.query["$select"], "The emulator shows all of a pool")
    rows, more = call.service.store.pools.page(read_list_query(call.query, _FILTER))
    page: Document = {"value": [_resource(call, row) for row in rows]}
    if more:
        page["nextLink"] = next_link(f"{call.endpoint}{call.path}", call.query, rows[-1].id)
    return answer(call, page)


async def delete_pool(call: Call) -> web.StreamResponse:
    """Begin to delete a pool; `get_deletion` says when it is gone. One that is not there is 204."""
    row = call.service.store.pools.get(call.parameters[-1])
    if row is None:
        return without_body(call, 204)
    if row.state != PoolState.DELETING:
        call.service.pools.delete(row)
    return _under_way(call, row.id)


async def get_deletion(call: Call) -> web.StreamResponse:
    operation = call.parameters[-1]
    if not operation.startswith(_DELETION):
        raise BatchError(ErrorCode.RESOURCE_NOT_FOUND)
    row = call.service.store.pools.get(operation.removeprefix(_DELETION))
    is_gone = row is None or row.state != PoolState.DELETING
    return without_body(call, 200) if is_gone or row is None else _under_way(call, row.id)


def _under_way(call: Call, pool_id: str) -> web.Response:
    address = f"{call.endpoint}{url_path(_account(call))}/poolOperationResults/{_DELETION}{pool_id}"
    headers = {"Location": f"{address}?api-version={call.query['api-version']}", "Retry-After": _RETRY_AFTER}
    return without_body(call, 202, headers)


async def disable_auto_scale(call: Call) -> web.StreamResponse:
    row = _changeable(call)
    call.service.auto_scale.disable(row, without_auto_scale(json.loads(row.document)))
    return _shown(call, _again(call, row))


async def stop_resize(call: Call) -> web.StreamResponse:
    row = _changeable(call)
    if row.allocation_state == AllocationState.STEADY:
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason="The pool is not being resized")
    if row.allocation_state == AllocationState.RESIZING:
        call.service.pools.stop_resize(row)
    return _shown(call, _again(call, row))


def _changeable(call: Call) -> PoolRow:
    row = find_pool(call, call.parameters[3])
    check_conditions(call.request.headers, row.modified, reading=False)
    if row.state == PoolState.DELETING:
        raise BatchError(ErrorCode.POOL_BEING_DELETED)
    return row


def _again(call: Call, row: PoolRow) -> PoolRow:
    return call.service.store.pools.by_number(row.no) or row


def _shown(call: Call, row: PoolRow) -> web.StreamResponse:
    headers = {"ETag": weak_etag(row.modified), "Last-Modified": http_date(row.modified)}
    return answer(call, _resource(call, row), headers)


def _resource(call: Call, row: PoolRow) -> Document:
    return pool_resource(row, call.service.store.nodes.kinds(row.no), _account(call))


def _account(call: Call) -> str:
    subscription, group, account = call.parameters[:3]
    return account_id(subscription, group, account)
