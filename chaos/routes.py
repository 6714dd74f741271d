"""The routes of the run: which file goes to which pool, and who brings what of it to the output container."""

import json
import re
from dataclasses import dataclass
from typing import Final

#: The app scales it: all of its nodes are Spot nodes, which are preempted.
SCALED_POOL: Final = "scaled"
#: What each command makes beside what it prints, in its working directory.
MADE: Final = "made/copy.bin"


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route takes names in whose last part four digits end with one of `digits`."""

    name: str
    digits: str = ""
    pool: str | None = None
    priority: int = 0
    is_uploaded: bool = False
    has_files: bool = False
    lost_output_retries: int = 0

    def takes(self, blob: str) -> bool:
        last = blob.rpartition("/")[2]
        return bool(self.digits and re.search(rf"[0-9]{{3}}[{self.digits}]", last))

    def toml(self, command: str) -> str:
        words = {
            "name": self.name,
            "match": f"**/*[0-9][0-9][0-9][{self.digits}]*",
            "command": command,
            "stdout": "upload" if self.is_uploaded else "copy",
            "priority": self.priority,
            "lost_output_retries": self.lost_output_retries,
            **({"pool": self.pool} if self.pool else {}),
            **({"outputs": ["made/*"], "outputs_on": "completion"} if self.has_files else {}),
        }
        return "\n".join(["[[routes]]", *(f"{word} = {json.dumps(value)}" for word, value in words.items())])


ROUTES: Final = (
    Route(name="made", digits="012", pool=SCALED_POOL, is_uploaded=True, has_files=True),
    Route(name="again", digits="345", pool=SCALED_POOL, priority=5, has_files=True, lost_output_retries=3),
    Route(name="uploaded", digits="678", is_uploaded=True),
)
#: It takes the rest, on the pool of the settings; the app copies what the command prints.
SETTINGS: Final = Route(name="settings")

_POOL: Final = f"""
[pools.{SCALED_POOL}]
slots_per_node = 4
scale = {{ min = 0, max = 3, spot = 1.0 }}
"""


def route_of(blob: str) -> Route:
    """Return the route that must take a file."""
    return next((route for route in ROUTES if route.takes(blob)), SETTINGS)


def toml(command: str) -> str:
    """Return the file of routes that all run this command line."""
    return "\n\n".join([*(route.toml(command) for route in ROUTES), _POOL])
