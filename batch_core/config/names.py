"""The names of the app's settings, and names that were probably meant to be one of them."""

from collections.abc import Iterable
from functools import cache
from typing import Final

DATA_STORAGE: Final = "DATA_STORAGE"

#: What a connection's name can be followed by, for a host that identifies itself:
#: https://learn.microsoft.com/azure/azure-functions/functions-reference#connections
_IDENTITY_PROPERTIES: Final = (
    *("blobServiceUri", "queueServiceUri", "tableServiceUri", "serviceUri"),
    *("accountName", "credential", "clientId"),
)

#: Every name that the app or the bindings of its triggers read.
SETTING_NAMES: Final = frozenset(
    {
        DATA_STORAGE,
        *(f"{DATA_STORAGE}__{name}" for name in _IDENTITY_PROPERTIES),
        *("INPUT_CONTAINER", "OUTPUT_CONTAINER", "TABLE_NAME", "INPUT_NOT_BEFORE", "INPUT_SKIP_EMPTY"),
        *("EVENTS_QUEUE", "RECORD_RETENTION_TIME", "OUTPUT_RETENTION_TIME"),
        *("BLOB_TRIGGER_SOURCE", "COLLECT_SCHEDULE", "SWEEP_SCHEDULE", "SCALE_SCHEDULE", "TIDY_SCHEDULE"),
        *("BATCH_ENDPOINT", "BATCH_ACCOUNT_NAME", "BATCH_ACCOUNT_KEY", "BATCH_POOL_ID"),
        *("JOB_PREFIX", "JOB_RETENTION_TIME", "SWEEP_GRACE", "EXPLAIN_AFTER", "OUTPUT_PATIENCE"),
        *("TASK_COMMAND_LINE", "TASK_MAX_WALL_CLOCK_TIME", "TASK_RETENTION_TIME", "INPUT_SAS_LIFETIME"),
        *("POOL_NODE_COUNT", "POOL_VM_SIZE", "POOL_IMAGE", "POOL_NODE_AGENT_SKU", "POOL_TASK_SLOTS_PER_NODE"),
        *("POOL_EXISTING", "POOL_MIN_NODES", "POOL_MAX_NODES", "POOL_SPOT_PERCENT"),
        *("POOL_IDENTITY_RESOURCE_ID", "ROUTES_FILE"),
    }
)

_MOST_EDITS: Final = 2


def misspelled(names: Iterable[str]) -> dict[str, str]:
    """Return the names that differ from a setting's by capitals or up to two letters, each with the one meant.

    Nothing else is suspected, whatever it begins with: continuous integration sets `INPUT_...` for every input of an
    action, and other programs have their own `BATCH_...` and `TASK_...`. One letter, where it is short.
    """
    meant = ((name, _meant(name)) for name in sorted(names) if name not in SETTING_NAMES)
    return {name: setting for name, setting in meant if setting}


@cache
def _meant(name: str) -> str | None:
    near = [
        (_edits(name.upper(), known.upper()), known) for known in sorted(SETTING_NAMES) if _is_comparable(name, known)
    ]
    edits, known = min(near, default=(_MOST_EDITS + 1, ""))
    return known if edits <= min(_MOST_EDITS, len(known) // 6) else None


def _is_comparable(name: str, known: str) -> bool:
    return abs(len(name) - len(known)) <= _MOST_EDITS


def _edits(one: str, other: str) -> int:
    """Return how many letters must be changed, added or left out to make one text the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, row[0] = row[0], place
        for column, counterpart in enumerate(other, 1):
            cost = before + (letter != counterpart)
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, cost)
    return row[-1]
