"""host.json, as far as this host knows it.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import SettingsFileError


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """The defaults are those of the real host."""

    route_prefix: str = "api"
    log_levels: Mapping[str, str] = field(default_factory=dict)
    blob_parallelism: int = 8 * (os.cpu_count() or 1)
    blob_tries: int = 5
    queue_parallelism: int = 16
    queue_tries: int = 5

    @classmethod
    def read(cls, folder: Path) -> "HostSettings":
        """Read `host.json` of the app's folder; raise SettingsFileError."""
        path = folder / "host.json"
        try:
            root = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise SettingsFileError(f"there is no {path}") from exc
        except ValueError as exc:
            raise SettingsFileError(f"{path} is not JSON: {exc}") from exc
        try:
            return cls._from_json(root)
        except (TypeError, ValueError, AttributeError) as exc:
            raise SettingsFileError(f"{path} holds a value of the wrong type: {exc}") from exc

    @classmethod
    def _from_json(cls, root: dict[str, dict[str, dict[str, object]]]) -> "HostSettings":
        default = cls()
        extensions = root.get("extensions", {})
        http, blobs, queues = (extensions.get(name, {}) for name in ("http", "blobs", "queues"))
        levels = root.get("logging", {}).get("logLevel", {})
        return cls(
            route_prefix=str(http.get("routePrefix", default.route_prefix)).strip("/"),
            log_levels={name: str(level) for name, level in levels.items()},
            blob_parallelism=_number(blobs, "maxDegreeOfParallelism", default.blob_parallelism),
            blob_tries=_number(blobs, "poisonBlobThreshold", default.blob_tries),
            queue_parallelism=_number(queues, "batchSize", default.queue_parallelism),
            queue_tries=_number(queues, "maxDequeueCount", default.queue_tries),
        )


def _number(section: Mapping[str, object], key: str, default: int) -> int:
    return max(1, int(str(section.get(key, default))))
