"""Properties of Batch that the file of routes names as the REST API does."""

from collections.abc import Callable, Mapping
from enum import StrEnum


class BatchKind(StrEnum):
    """What a `batch` table is of."""

    TASK = "task"
    POOL = "pool"


#: Returns what is wrong with the `batch` table of a route or a pool, which is given as the file says it.
type VerbatimCheck = Callable[[BatchKind, Mapping[str, object]], list[str]]
