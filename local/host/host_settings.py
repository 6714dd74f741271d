"""host.json, as far as this host knows it.

https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.errors import SettingsFileError
from local.host.json_text import parse_json

_OVERRIDES: Final = "azurefunctionsjobhost"


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
    def read(cls, folder: Path, app_settings: Mapping[str, str] | None = None) -> "HostSettings":
        """Read `host.json` of the app's folder; raise SettingsFileError.

        App settings such as `AzureFunctionsJobHost__extensions__http__routePrefix` override it, as with the real host
        (https://learn.microsoft.com/azure/azure-functions/functions-host-json#override-hostjson-values).
        """
        path = folder / "host.json"
        try:
            root = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise SettingsFileError(f"there is no {path}") from exc
        except ValueError as exc:
            raise SettingsFileError(f"{path} is not JSON: {exc}") from exc
        try:
            for name, value in (app_settings or {}).items():
                _override(root, name, value)
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


def _override(root: dict[str, Any], name: str, value: str) -> None:
    prefix, *path = name.split("__")
    if prefix.lower() != _OVERRIDES or not path:
        return
    *sections, key = path
    section = root
    for part in sections:
        section = section.setdefault(_present(section, part), {})
    section[_present(section, key)] = value


def _present(section: Mapping[str, object], name: str) -> str:
    # Names of .NET's configuration have no case.
    return next((one for one in section if one.lower() == name.lower()), name)


def _number(section: Mapping[str, object], key: str, default: int) -> int:
    return max(1, int(str(section.get(key, default))))
