"""Whether the deployed app has the settings that it needs, and those that this command line has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from batch_core.cli.remedies import Finding
from batch_core.config.names import DATA_STORAGE
from batch_core.config.settings import Settings
from batch_core.errors import SettingsError
from batch_core.redaction import shown
from batch_core.services.azure_resources import Endpoints

_NAME: Final = "app settings"
_URI: Final = "{}__{}ServiceUri"
#: https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
_REFERENCE: Final = "@Microsoft."
#: What must be the same here: else this looks at other files than the app does.
_SHARED: Final = (
    *(_URI.format(DATA_STORAGE, service) for service in ("blob", "queue", "table")),
    *("INPUT_CONTAINER", "OUTPUT_CONTAINER", "TABLE_NAME", "EVENTS_QUEUE", "BLOB_TRIGGER_SOURCE"),
    *("BATCH_ENDPOINT", "BATCH_POOL_ID"),
)


def judge_settings(app: Mapping[str, str], here: Mapping[str, str], endpoints: Endpoints, change: str) -> list[Finding]:
    """Judge the settings of the app, whose storage account has these endpoints, beside those of this command line.

    `change` begins the command that sets one: `NAME=VALUE` follows.
    """
    if references := sorted(name for name, value in app.items() if value.startswith(_REFERENCE)):
        detail = f"only the app can resolve {', '.join(references)}: see its /api/health"
        return [Finding(name=_NAME, is_ok=None, detail=detail)]
    found = [*_wrong_addresses(app, endpoints, change), *_invalid(app, endpoints, change), *_different(app, here)]
    return found or [Finding(name=_NAME, is_ok=True, detail="all valid, and as they are here")]


def _wrong_addresses(app: Mapping[str, str], endpoints: Endpoints, change: str) -> Iterator[Finding]:
    """Yield the addresses that are not the account's: without that of queues the trigger does not start."""
    for service, url in _addresses(endpoints):
        name = _URI.format(DATA_STORAGE, service)
        value = app.get(name, "").strip()
        if not value and DATA_STORAGE in app:
            continue  # a connection string says it
        if value.rstrip("/").lower() != url.rstrip("/").lower():
            detail = f"{name} is {shown(value) if value else 'missing'}, and the account's is {url}"
            yield Finding(
                name=f"{service} address",
                is_ok=False,
                detail=detail,
                remedy="set it",
                command=change + name + f"={url}",
            )


def _invalid(app: Mapping[str, str], endpoints: Endpoints, change: str) -> Iterator[Finding]:
    mended = {_URI.format(DATA_STORAGE, service): url for service, url in _addresses(endpoints)}
    try:
        Settings.from_env({**app, **(mended if DATA_STORAGE not in app else {})})
    except SettingsError as exc:
        detail = "; ".join(exc.problems)
        remedy = "the app does not start with them: set each; BATCHDROP_SETTINGS of azd's environment comes last"
        yield Finding(name=_NAME, is_ok=False, detail=detail, remedy=remedy, command=f"{change}NAME=VALUE")


def _different(app: Mapping[str, str], here: Mapping[str, str]) -> Iterator[Finding]:
    pairs = [(name, app.get(name, "").strip(), here.get(name, "").strip()) for name in _SHARED]
    other = [
        f"{name} is {shown(there)} there and {shown(ours)} here"
        for name, there, ours in pairs
        if ours and there != ours
    ]
    if other:
        remedy = "this looks elsewhere than the app: read azd's environment again"
        command = 'azd env refresh && set -a && eval "$(azd env get-values)" && set +a'
        yield Finding(name="same settings", is_ok=False, detail="; ".join(other), remedy=remedy, command=command)


def _addresses(endpoints: Endpoints) -> Sequence[tuple[str, str]]:
    named = (("blob", endpoints.blob), ("queue", endpoints.queue), ("table", endpoints.table))
    return [(service, url) for service, url in named if url]
