"""The app settings of the local stack, and what they say about where things listen.

`local.settings.json` if there is one, else the values of `local.settings.json.example`. They win over
the variables of the terminal, so that a variable set for a real account never leads the local
stack there.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from batch_core.config.local_settings import LocalSettings
from batch_core.config.names import SETTING_NAMES
from batch_core.config.service_url import is_this_machine
from batch_core.config.settings import INPUT_CONTAINER, OUTPUT_CONTAINER, Settings
from batch_core.config.storage_connection import ConnectionStringError, parse_connection_string
from batch_core.errors import SettingsError
from local.azurite import StoragePorts
from local.emulator import BatchAccount
from local.errors import SettingsFileError

CHECKOUT: Final = Path(__file__).parents[1]
OWN: Final = CHECKOUT / "local.settings.json"
EXAMPLE: Final = CHECKOUT / "local.settings.json.example"

_STORAGE_SETTINGS: Final = ("AzureWebJobsStorage", "DATA_STORAGE")
_DEFAULT_HOST_PORT: Final = 7071
_CONTAINERS: Final = {"INPUT_CONTAINER": INPUT_CONTAINER, "OUTPUT_CONTAINER": OUTPUT_CONTAINER}


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """The `Values` of a settings file, and the port that its `Host` section may name."""

    file: Path
    values: Mapping[str, str] = field(repr=False)
    host_port: int = _DEFAULT_HOST_PORT

    @classmethod
    def read(cls, file: Path | None = None) -> "AppSettings":
        """Read `file`, else the settings of this checkout; raise SettingsFileError."""
        return _read(file or (OWN if OWN.exists() else EXAMPLE))

    @classmethod
    def example(cls) -> "AppSettings":
        """Read the example's values, whatever the developer's own are."""
        return _read(EXAMPLE)

    def validated(self) -> Settings:
        """Read the values as the app itself does; raise `SettingsFileError`, which lists every problem."""
        try:
            return Settings.from_env(self.values)
        except SettingsError as exc:
            problems = "\n".join(f"  {problem}" for problem in exc.problems)
            raise SettingsFileError(f"these settings of {self.file} are wrong:\n{problems}") from exc

    @property
    def storage_ports(self) -> StoragePorts | None:
        """Where Azurite is expected; None when the settings name an account elsewhere."""
        for name in _STORAGE_SETTINGS:
            if ports := _storage_ports(self.values.get(name, "")):
                return ports
        return None

    @property
    def batch_port(self) -> int | None:
        """Where the Batch emulator is expected; None when the settings name another service."""
        url = _local_url(self.values.get("BATCH_ENDPOINT", ""))
        return url.port if url else None

    @property
    def batch_account(self) -> BatchAccount | None:
        """The account that the emulator must play for the app; None when no key is set."""
        name, key = self.values.get("BATCH_ACCOUNT_NAME"), self.values.get("BATCH_ACCOUNT_KEY")
        return BatchAccount(name=name, key=key) if name and key else None

    @property
    def option(self) -> str:
        """What has a command use this very file: nothing where it would anyway."""
        is_default = self.file == (OWN if OWN.exists() else EXAMPLE)
        return "" if is_default else f" --settings {shlex.quote(str(self.file))}"

    def moved_to(self, storage: StoragePorts, batch_endpoint: str, host_port: int) -> "AppSettings":
        """Return the same settings for a stack that listens elsewhere."""
        moved = dict.fromkeys(_STORAGE_SETTINGS, storage.connection_string)
        values = {**self.values, **moved, "BATCH_ENDPOINT": batch_endpoint}
        return replace(self, values=values, host_port=host_port)

    def with_values(self, **values: str) -> "AppSettings":
        """Return the same settings but for these."""
        return replace(self, values={**self.values, **values})

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of the app: the settings, and of this process what is no setting.

        A setting that the file leaves out has its default, not a value of the terminal.
        """
        others = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        return {**others, **self.values, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}

    def connection_string(self, name: str) -> str:
        """Return a setting's connection string in the form that every SDK takes; raise SettingsFileError."""
        try:
            return parse_connection_string(self.values.get(name, ""))
        except ConnectionStringError as exc:
            raise SettingsFileError(f"{name} of {self.file} is no connection string that can be used: {exc}") from exc


def _read(path: Path) -> AppSettings:
    try:
        read = LocalSettings.read(path)
    except FileNotFoundError as exc:
        raise SettingsFileError(f"there is no {path}") from exc
    except SettingsError as exc:
        raise SettingsFileError(f"{exc}; {EXAMPLE.name} shows how it is written") from exc
    # The stack's own tools use these two, and the app has defaults for them.
    containers = {name: read.values.get(name, "").strip() or default for name, default in _CONTAINERS.items()}
    return AppSettings(file=path, values={**read.values, **containers}, host_port=read.host_port)


def _is_setting(name: str) -> bool:
    # With this prefix a host finds a connection, its own storage and the one of its functions.
    return name in SETTING_NAMES or name.startswith(
        ("DATA_STORAGE__", "AzureWebJobsStorage", "AzureWebJobsDATA_STORAGE")
    )


def _storage_ports(connection_string: str) -> StoragePorts | None:
    try:
        parsed = parse_connection_string(connection_string)
    except ConnectionStringError:
        # Reported where it is used: it places nothing on this machine.
        return None
    parts = dict(part.partition("=")[::2] for part in parsed.split(";"))
    urls = [_local_url(parts.get(f"{name}Endpoint", "")) for name in ("Blob", "Queue", "Table")]
    blob, queue, table = (url.port if url else None for url in urls)
    if blob and queue and table:
        return StoragePorts(blob=blob, queue=queue, table=table)
    return None


def _local_url(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        return url if is_this_machine(url.hostname) and url.port else None
    except ValueError:
        return None
