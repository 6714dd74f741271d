"""When this process last wrote down what it keeps by the way; only how often depends on it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(kw_only=True)
class Noted:
    """Ticks by their functions' names, and the nodes of pools."""

    ticks: dict[str, datetime] = field(default_factory=dict)
    nodes: datetime | None = None
