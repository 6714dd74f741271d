"""What this process remembers by the way: only how often things are written or asked depends on it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(kw_only=True)
class Noted:
    """When ticks were noted, by their functions' names, and nodes were counted; when tasks were put back."""

    ticks: dict[str, datetime] = field(default_factory=dict)
    #: When nodes were counted, by whichever process, as far as this one knows.
    nodes: datetime | None = None
    #: Since when a task waits that Batch has put back into its queue: by task id, and how often that had happened.
    put_back: dict[tuple[str, int], datetime] = field(default_factory=dict)
