"""Operations on the files of a node."""

from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.execution.node_files import FileRoot
from batch_emulator.handlers import files
from batch_emulator.handlers.pools import find_pool
from batch_emulator.values.states import NodeState

_BOOTING: Final = {NodeState.CREATING, NodeState.STARTING}


def _root(call: Call) -> FileRoot:
    """Return where a node's files are. Raises NodeNotFound, or 409 while the node has no files."""
    pool = find_pool(call, call.parameters[0])
    row = call.service.store.nodes.get(pool.no, call.parameters[1])
    if row is None:
        raise BatchError(ErrorCode.NODE_NOT_FOUND)
    directory = call.service.directories.node(row.id).root
    if not directory.is_dir():
        raise BatchError(ErrorCode.NODE_BEING_CREATED if row.state in _BOOTING else ErrorCode.NODE_STATE_UNUSABLE)
    return FileRoot(directory=directory, url=f"{call.endpoint}/pools/{pool.id}/nodes/{row.id}/files")


async def list_node_files(call: Call) -> web.StreamResponse:
    return await files.list_below(call, _root(call))


async def get_node_file_properties(call: Call) -> web.StreamResponse:
    return await files.properties(call, _root(call), call.parameters[2])


async def download_node_file(call: Call) -> web.StreamResponse:
    return await files.download(call, _root(call), call.parameters[2])


async def delete_node_file(call: Call) -> web.StreamResponse:
    return await files.delete(call, _root(call), call.parameters[2])
