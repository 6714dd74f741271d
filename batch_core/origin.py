"""Where a command's settings came from, and which accounts they lead to: said before anything is done."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batch_core.errors import SettingsError
from batch_core.local_settings import LOCAL_SETTINGS, LocalSettings
from batch_core.setting_names import DATA_STORAGE
from batch_core.settings import Settings
from batch_core.storage_connection import account_of


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The settings of a command: a file's, if there is one, under those of the environment, which win.

    Core Tools do the same: a variable that is set is not overwritten by `local.settings.json`.
    """

    file: LocalSettings | None
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, path: Path = LOCAL_SETTINGS) -> "Origin":
        """Read a file, if not told to leave it (`-`), beside this process's environment; raise SettingsError.

        The file of this folder need not exist; another that is named must.
        """
        file = None
        try:
            file = None if path == Path("-") else LocalSettings.read(path)
        except FileNotFoundError as exc:
            if path != LOCAL_SETTINGS:
                raise SettingsError([f"there is no file {path}"]) from exc
        return cls(file=file, environment=dict(os.environ))

    @property
    def values(self) -> dict[str, str]:
        return {**(self.file.values if self.file else {}), **self.environment}

    def accounts(self, settings: Settings) -> list[str]:
        """Return a line on the Storage account and one on the Batch account that these settings lead to."""
        storage = settings.storage
        account = account_of(storage.connection_string) if storage.connection_string else "of a managed identity"
        storage_names = (DATA_STORAGE, f"{DATA_STORAGE}__blobServiceUri")
        batch = settings.batch
        batch_account = f"{batch.name} at {batch.endpoint}" if batch.name else batch.endpoint
        return [
            f"Storage account {account} at {storage.blob_endpoint} ({self._source(*storage_names)})",
            f"Batch account {batch_account} ({self._source('BATCH_ENDPOINT')})",
        ]

    def _source(self, *names: str) -> str:
        """Say where the first of the names that is set comes from."""
        name = next((one for one in names if self.values.get(one, "").strip()), names[0])
        if name in self.environment or self.file is None:
            return f"{name} of the environment"
        return f"{name} of {self.file.file}"
