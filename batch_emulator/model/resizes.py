"""Requests that change how many nodes a pool has."""

from typing import Final

from batch_emulator.errors import invalid_property, missing_property
from batch_emulator.model.schema import duration, filled_text, integer, list_of, one_of, record
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import TICKS_PER_SECOND, parse_duration
from batch_emulator.values.states import DeallocationOption

#: "The default value is 15 minutes. The minimum value is 5 minutes" (SDK documentation of resizeTimeout).
DEFAULT_RESIZE_TIMEOUT: Final = "PT15M"
_SHORTEST_TIMEOUT: Final = 5 * 60 * TICKS_PER_SECOND

#: "A maximum of 100 nodes may be removed per request" (SDK documentation of BatchNodeRemoveOptions).
MAX_REMOVED_NODES: Final = 100

_TARGETS: Final = ("targetDedicatedNodes", "targetLowPriorityNodes")

deallocation_option = one_of(*DeallocationOption)
target_nodes = integer(0, 1000)


def resize_timeout(name: str, value: object) -> str:
    """Read a resize timeout. Raises InvalidPropertyValue below five minutes."""
    timeout = duration(name, value)
    if parse_duration(timeout) < _SHORTEST_TIMEOUT:
        raise invalid_property(name, value, "A resize timeout is at least 5 minutes")
    return timeout


_resize = record(
    {
        "targetDedicatedNodes": target_nodes,
        "targetLowPriorityNodes": target_nodes,
        "resizeTimeout": resize_timeout,
        "nodeDeallocationOption": deallocation_option,
    }
)
_removal = record(
    {
        "nodeList": list_of(filled_text),
        "resizeTimeout": resize_timeout,
        "nodeDeallocationOption": deallocation_option,
    },
    frozenset({"nodeList"}),
)

_DEFAULTS: Final = {"resizeTimeout": DEFAULT_RESIZE_TIMEOUT, "nodeDeallocationOption": DeallocationOption.REQUEUE}


def read_resize(body: Document) -> Document:
    """Return a resize with its defaults. At least one target must be there."""
    resize: Document = _resize("", {name: body[name] for name in (*_TARGETS, *_DEFAULTS) if name in body})
    if not any(name in resize for name in _TARGETS):
        raise missing_property("targetDedicatedNodes")
    return {**_DEFAULTS, **resize}


def read_removal(body: Document) -> Document:
    """Return a removal of nodes with its defaults."""
    removal: Document = _removal("", body)
    count = len(removal["nodeList"])
    if not 1 <= count <= MAX_REMOVED_NODES:
        raise invalid_property("nodeList", count, f"1 to {MAX_REMOVED_NODES} nodes can be removed at once")
    return {**_DEFAULTS, **removal}
