"""The four requests on files, for whichever directory they are below."""

import asyncio
from typing import Final

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.conditions import check_dates
from batch_emulator.errors import BatchError, ErrorCode, invalid_parameter
from batch_emulator.execution.node_files import (
    FileEntry,
    FileRoot,
    NotEmptyError,
    find_file,
    list_files,
    list_order,
    remove_file,
)
from batch_emulator.handlers.file_content import file_headers, send_file
from batch_emulator.odata.filter import Combination, Filter, Operator
from batch_emulator.odata.query import read_filter, read_max_results, read_skip_token
from batch_emulator.values.documents import Document

_TRUE: Final = "true"


async def list_below(call: Call, root: FileRoot) -> web.StreamResponse:
    """Answer a page of the files below a root; `recursive` adds what is in its directories."""
    prefixes = _prefixes(call, read_filter(call.query))
    after, limit = read_skip_token(call.query), read_max_results(call.query)
    start = (-1, "") if after is None else list_order(after)
    listed = await asyncio.to_thread(list_files, root.directory, recursive=_is_recursive(call))
    names = [name for name in listed if list_order(name) > start and _starts(name, prefixes)]
    entries = [find_file(root, name) for name in names[:limit]]
    items = [_listed(entry) for entry in entries if entry is not None]
    return call.page("files", items, names[limit - 1] if len(names) > limit else None)


def _listed(entry: FileEntry) -> Document:
    """Return the item of a list of files; directories have no properties.

    Linux nodes report no time of creation (SDK documentation of FileProperties; recording
    `should_list_task_files`).
    """
    item: Document = {"name": entry.name, "url": entry.url, "isDirectory": entry.is_directory}
    if not entry.is_directory:
        item["properties"] = {
            "lastModified": entry.modified,
            "contentLength": str(entry.size),
            "contentType": entry.content_type,
            "fileMode": entry.mode,
        }
    return item


async def properties(call: Call, root: FileRoot, name: str) -> web.StreamResponse:
    entry = _found(root, name)
    check_dates(call.request.headers, entry.modified, reading=True)
    return call.empty(200, {**file_headers(call, entry), "Content-Length": str(entry.size)})


async def download(call: Call, root: FileRoot, name: str) -> web.StreamResponse:
    entry = _found(root, name)
    check_dates(call.request.headers, entry.modified, reading=True)
    return await send_file(call, entry)


async def delete(call: Call, root: FileRoot, name: str) -> web.StreamResponse:
    """Delete a file, or a directory: an empty one, or with `recursive` any."""
    try:
        removed = await asyncio.to_thread(remove_file, root, name, recursive=_is_recursive(call))
    except NotEmptyError as exc:
        reason = "The directory is not empty; recursive=true deletes what is in it"
        raise BatchError(ErrorCode.OPERATION_INVALID_FOR_CURRENT_STATE, Reason=reason) from exc
    if not removed:
        raise BatchError(ErrorCode.FILE_NOT_FOUND)
    return call.empty(200)


def _found(root: FileRoot, name: str) -> FileEntry:
    entry = find_file(root, name)
    if entry is None:
        raise BatchError(ErrorCode.FILE_NOT_FOUND)
    return entry


def _is_recursive(call: Call) -> bool:
    return call.query.get("recursive", "").lower() == _TRUE


def _prefixes(call: Call, tree: Filter | None) -> list[str]:
    """Return the alternatives of `startswith(name, ...)`: all that file lists document."""
    if tree is None:
        return []
    terms = tree.terms if isinstance(tree, Combination) and tree.word == "or" else (tree,)
    prefixes = []
    for term in terms:
        if isinstance(term, Combination) or term.path != "name" or term.operator is not Operator.STARTS_WITH:
            reason = "Lists of files take startswith(name, '...') only"
            raise invalid_parameter("$filter", call.query["$filter"], reason)
        prefixes.append(str(term.value).lower())
    return prefixes


def _starts(name: str, prefixes: list[str]) -> bool:
    return not prefixes or name.lower().startswith(tuple(prefixes))
