"""Where a command's settings came from, and which accounts they lead to: said before anything is done."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import batch_core
from batch_core.config.access_key import is_account_name
from batch_core.config.accounts import BatchAccount, StorageConnection, read_batch_account, read_storage
from batch_core.config.local_settings import EXAMPLE_SETTINGS, LOCAL_SETTINGS, LocalSettings
from batch_core.config.names import DATA_STORAGE, SETTING_NAMES
from batch_core.config.reader import SettingReader
from batch_core.config.service_url import url_problem
from batch_core.config.settings import Settings
from batch_core.config.storage_connection import account_of
from batch_core.errors import SettingsError
from batch_core.redaction import shown

#: Settings as a JSON object, which infra/main.bicep gives the app in place of its own.
_ADDED: Final = "BATCHDROP_SETTINGS"
#: What a deployment has, of the settings without default.
_DEPLOYED: Final = (f"{DATA_STORAGE}__blobServiceUri", "BATCH_ENDPOINT")
#: A text of JSON, or what is between two.
_JSON_TEXT: Final = re.compile(r'("(?:[^"\\]|\\.)*")|([^"]+)')
_AZDS: Final = 'set -a; eval "$(azd env get-values)"; set +a'
#: What the folder of a Functions app has.
_HOST_FILE: Final = Path("host.json")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The settings of a command: a file's, if there is one, under those of the environment, which win.

    Core Tools do the same: a variable that is set is not overwritten by `local.settings.json`.
    """

    file: LocalSettings | None
    environment: Mapping[str, str] = field(repr=False)
    #: False: no file is to be read.
    is_file_wanted: bool = True

    @classmethod
    def of(cls, path: Path | None = None) -> "Origin":
        """Read a file, unless it is `-`, beside this process's environment; raise SettingsError.

        A file that is named must exist. Where none is, that of this folder counts, if there is one, unless the
        environment has what `azd env get-values` gives; without any settings, those of the example if this is a
        checkout: they lead to its local stack.
        """
        environment = _with_azds_settings(os.environ)
        if path == Path("-") or (path is None and _is_azds(environment)):
            return cls(file=None, environment=environment, is_file_wanted=False)
        file = _read(path or LOCAL_SETTINGS)
        if file is None and path is not None:
            raise SettingsError([f"there is no file {path}"])
        if file is None and _HOST_FILE.exists() and not SETTING_NAMES & environment.keys():
            file = _read(EXAMPLE_SETTINGS)
        return cls(file=file, environment=environment)

    @property
    def values(self) -> dict[str, str]:
        return {**(self.file.values if self.file else {}), **self.environment}

    def settings(self) -> Settings:
        """Return the settings; raise SettingsError, which also says where nothing was found."""
        try:
            return Settings.from_env(self.values)
        except SettingsError as exc:
            raise SettingsError([*exc.problems, self.where]) from exc

    def accounts(self) -> list[str]:
        """Return a line on the Storage account and one on the Batch account, as far as the settings say."""
        reader = SettingReader(self.values)
        storage, batch = read_storage(reader), read_batch_account(reader)
        return [self._storage_line(storage), self._batch_line(batch)]

    def _storage_line(self, storage: StorageConnection) -> str:
        source = self._source(DATA_STORAGE, f"{DATA_STORAGE}__blobServiceUri")
        if storage.connection_string:
            account = account_of(storage.connection_string)
            return f"Storage account {account} at {storage.blob_endpoint} ({source})"
        if url_problem(storage.blob_uri, service="blob"):
            return f"Storage account not known ({source})"
        return f"Storage account of a managed identity at {storage.blob_uri} ({source})"

    def _batch_line(self, batch: BatchAccount) -> str:
        # A wrong value may be a key in the wrong place.
        where = "not known" if url_problem(batch.endpoint, service="batch") else f"at {batch.endpoint}"
        name = [batch.name] if is_account_name(batch.name) else []
        return " ".join(["Batch account", *name, where, f"({self._source('BATCH_ENDPOINT')})"])

    def _source(self, *names: str) -> str:
        """Say where the first of the names that is set comes from."""
        name = next((one for one in names if self.values.get(one, "").strip()), names[0])
        if not self.values.get(name, "").strip():
            return f"{names[0]} is not set"
        if name in self.environment or self.file is None:
            return f"{name} of the environment"
        return f"{name} of {self.file.file}"

    @property
    def where(self) -> str:
        """Say where the settings were looked for, and what to do."""
        if self.file:
            return f"they are read from {self.file.file} and the environment, which wins"
        if self.is_file_wanted:
            return (
                f"there is no {LOCAL_SETTINGS} in {Path.cwd()}: pass --settings FILE, set them in the environment, or"
                f" copy {_example()} to it; for the local stack that `make up` started: --settings {_example()}"
            )
        if _is_azds(self.environment):
            return "they are read from azd's variables in the environment alone: --settings FILE reads a file"
        return f"they are read from the environment alone, as --settings - says; those of azd are there after `{_AZDS}`"


def _is_azds(environment: Mapping[str, str]) -> bool:
    """Return whether this is the environment of a deployment, as `azd env get-values` gives it."""
    return all(environment.get(name, "").strip() for name in ("AZURE_ENV_NAME", *_DEPLOYED))


def _with_azds_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the settings that a person has added to the deployment's: they win there, too.

    Raises SettingsError if they are no JSON object.
    """
    text = environment.get(_ADDED, "").strip()
    if not text:
        return dict(environment)
    added = next((found for one in (text, _as_written(text)) if (found := _json(one)) is not None), None)
    if not isinstance(added, dict):
        raise SettingsError([f"{_ADDED} is {shown(text)}: it must be a JSON object of settings"])
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in added.items()}
    return {**environment, **texts}


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _as_written(text: str) -> str:
    """Return a text of azd's as it was set: it escapes `!` and line breaks, which a shell leaves escaped in quotes.

    `doubleQuoteSpecialChars` of https://github.com/joho/godotenv, by which `azd env get-values` writes.
    """
    text = text.replace("\\!", "!")
    # A line break between two values; within a text it is JSON's own.
    return _JSON_TEXT.sub(lambda match: match[1] or match[2].replace("\\n", "\n"), text)


def _example() -> str:
    """Return the path of the example, which only a checkout has, from here; elsewhere, where it is."""
    here, beside = Path(EXAMPLE_SETTINGS), Path(batch_core.__file__).parents[1] / EXAMPLE_SETTINGS
    if here.is_file():
        return str(here)
    return shlex.quote(str(beside)) if beside.is_file() else f"CHECKOUT/{EXAMPLE_SETTINGS}"


def _read(path: Path) -> LocalSettings | None:
    """Read a file of settings; None if it does not exist."""
    try:
        return LocalSettings.read(path)
    except FileNotFoundError:
        return None
