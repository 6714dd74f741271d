"""Finds the operation of a request by its method and path."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from batch_emulator.call import Call
from batch_emulator.errors import BatchError, ErrorCode

type Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    name: str
    method: str
    path: str
    handler: Handler


#: The variable part that takes all that is left of a path: files have slashes in their names, and
#: clients send them encoded or not.
_REST: Final = "{filePath}"


@dataclass(slots=True)
class _Branch:
    """The paths that share a beginning."""

    fixed: "dict[str, _Branch]" = field(default_factory=dict)
    variable: "_Branch | None" = None
    rest: "_Branch | None" = None
    operations: dict[str, Operation] = field(default_factory=dict)


class Router:
    """Finds the operation of a path that is still percent-encoded.

    Variable parts are decoded only after the path is cut: `wd%2Fa%20b.txt` is one part.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Branch()
        for operation in operations:
            branch = self._root
            for segment in operation.path.strip("/").split("/"):
                branch = _grow(branch, segment)
            branch.operations[operation.method] = operation
        # Clients that wait for something ask for the same path again and again.
        self._remembered = lru_cache(maxsize=1024)(self._find)

    def find(self, method: str, raw_path: str) -> tuple[Operation, tuple[str, ...]]:
        """Return the operation and its decoded parameters. Raises 404 or 405."""
        return self._remembered(method, raw_path)

    def _find(self, method: str, raw_path: str) -> tuple[Operation, tuple[str, ...]]:
        segments = raw_path.strip("/").split("/")
        branch, parameters = _follow(self._root, segments)
        if branch is None or not branch.operations:
            raise BatchError(ErrorCode.RESOURCE_NOT_FOUND)
        operation = branch.operations.get(method)
        if operation is None:
            allowed = ", ".join(sorted(branch.operations))
            raise BatchError(ErrorCode.UNSUPPORTED_HTTP_VERB, AllowedVerbs=allowed)
        return operation, tuple(map(_decoded, parameters)) if "%" in raw_path else tuple(parameters)


def _grow(branch: _Branch, segment: str) -> _Branch:
    if segment == _REST:
        branch.rest = branch.rest or _Branch()
        return branch.rest
    if segment.startswith("{"):
        branch.variable = branch.variable or _Branch()
        return branch.variable
    return branch.fixed.setdefault(segment, _Branch())


def _follow(branch: _Branch, segments: list[str]) -> tuple[_Branch | None, list[str]]:
    parameters: list[str] = []
    for index, segment in enumerate(segments):
        if branch.rest is not None and segment:
            return branch.rest, [*parameters, "/".join(segments[index:])]
        following = branch.fixed.get(segment)
        if following is None and segment:
            following = branch.variable
            parameters.append(segment)
        if following is None:
            return None, []
        branch = following
    return branch, parameters


def _decoded(parameter: str) -> str:
    try:
        return unquote(parameter, errors="strict")
    except UnicodeDecodeError as exc:
        raise BatchError(ErrorCode.INVALID_URI) from exc
