"""Operations about logging on to nodes and looking into them: simulated, since nobody can log on."""

import json
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.handlers.node_operations import active_node, check_up
from batch_emulator.handlers.nodes import find_node
from batch_emulator.model.node_endpoints import remote_login_settings
from batch_emulator.model.node_extensions import EXTENSION_PROPERTIES, extensions_on_wire
from batch_emulator.model.node_requests import check_log_upload, read_new_user, read_user
from batch_emulator.odata.query import project, read_max_results, read_select, read_skip_token

#: How many log files a node pretends to upload (recording `should_upload_pool_node_logs`).
_LOG_FILES: Final = 4

#: What follows the account's name in a directory of logs: on Azure another number for each account.
_LOGS_OF: Final = 1


async def create_node_user(call: Call) -> web.StreamResponse:
    name, admin, expires = read_new_user(await call.body(), call.service.clock)
    row = active_node(call)
    check_up(row)
    if not call.service.store.nodes.insert_user(row.no, name, admin=admin, expires=expires):
        raise BatchError(ErrorCode.NODE_USER_EXISTS)
    address = f"{call.endpoint}{call.path}/{name}"
    return call.empty(201, {"Location": address, "DataServiceId": address})


async def replace_node_user(call: Call) -> web.StreamResponse:
    expires = read_user(await call.body(), call.service.clock)
    row = active_node(call)
    check_up(row)
    if not call.service.store.nodes.replace_user(row.no, call.parameters[2], expires=expires):
        raise BatchError(ErrorCode.NODE_USER_NOT_FOUND)
    return call.empty(200)


async def delete_node_user(call: Call) -> web.StreamResponse:
    row = active_node(call)
    check_up(row)
    if not call.service.store.nodes.delete_user(row.no, call.parameters[2]):
        raise BatchError(ErrorCode.NODE_USER_NOT_FOUND)
    return call.empty(200)


async def get_node_remote_login_settings(call: Call) -> web.StreamResponse:
    pool, row = find_node(call)
    metadata = f"{call.endpoint}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.RemoteLoginSettings"
    settings = remote_login_settings(row, json.loads(pool.document))
    return call.json({"odata.metadata": metadata, **settings}, call.identity)


async def upload_node_logs(call: Call) -> web.StreamResponse:
    """Answer as if logs were uploaded; an emulated node has none, and nothing is written."""
    check_log_upload(await call.body())
    row = active_node(call)
    metadata = f"{call.endpoint}/$metadata#Microsoft.Azure.Batch.Protocol.Entities.UploadBatchServiceLogsResult"
    account = f"{call.service.account.name}-{_LOGS_OF:016X}"
    directory = f"{account}/{call.parameters[0].lower()}/{row.id}/{call.common_headers['request-id']}"
    answer = {"virtualDirectoryName": directory, "numberOfFilesUploaded": _LOG_FILES}
    return call.json({"odata.metadata": metadata, **answer})


async def list_node_extensions(call: Call) -> web.StreamResponse:
    pool, _ = find_node(call)
    selected = read_select(call.query, EXTENSION_PROPERTIES)
    start, limit = _start(read_skip_token(call.query)), read_max_results(call.query)
    extensions = extensions_on_wire(pool)
    items = [project(extension, selected) for extension in extensions[start : start + limit]]
    more = start + limit < len(extensions)
    return call.page("extensions", items, str(start + limit) if more else None)


def _start(token: str | None) -> int:
    return int(token) if token is not None and token.isdecimal() else 0


async def get_node_extension(call: Call) -> web.StreamResponse:
    pool, _ = find_node(call)
    selected = read_select(call.query, EXTENSION_PROPERTIES)
    name = call.parameters[2].lower()
    for extension in extensions_on_wire(pool):
        if extension["vmExtension"]["name"].lower() == name:
            metadata = f"{call.endpoint}/$metadata#extensions/@Element"
            return call.json({"odata.metadata": metadata, **project(extension, selected)})
    raise BatchError(ErrorCode.NODE_EXTENSION_NOT_FOUND)
