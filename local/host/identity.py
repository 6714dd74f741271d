"""The host id: the part of every name under which a host keeps its state in Storage."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_OVERRIDE: Final = "AzureFunctionsWebHost__hostid"
_MAX_LENGTH: Final = 32


def host_id(folder: Path, settings: Mapping[str, str]) -> str:
    """Return the id as the real host makes it for local runs: machine name and hash of the path.

    The setting AzureFunctionsWebHost__hostid overrides it, as with the real host. The rule is
    ScriptHostIdProvider of https://github.com/Azure/azure-functions-host.
    """
    if override := settings.get(_OVERRIDE):
        return override
    machine = "".join(filter(str.isalnum, platform.node()))
    name = f"{machine}-{abs(_stable_hash(str(folder)))}"
    return name[:_MAX_LENGTH].lower().rstrip("-")


def _stable_hash(text: str) -> int:
    # .NET adds up UTF-16 code units in a signed 32-bit integer that wraps around.
    units = memoryview(text.encode("utf-16-le")).cast("H")
    value = 23
    for unit in units:
        value = (value * 31 + unit) & 0xFFFF_FFFF
    return value - 0x1_0000_0000 if value >= 0x8000_0000 else value
