"""Whether the deployed app has the settings that it needs, and those by which this command line acts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from batch_core.cli.remedies import AZD_PROVISION, Finding
from batch_core.config.names import DATA_STORAGE, SETTING_NAMES
from batch_core.config.settings import SCHEDULES, Settings
from batch_core.errors import SettingsError
from batch_core.redaction import shown
from batch_core.services.azure_resources import Endpoints

_NAME: Final = "app settings"
_URI: Final = "{}__{}ServiceUri"
#: https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
_REFERENCE: Final = "@Microsoft."
#: What this command line needs not have: it is somebody else, runs no timers, and reads routes where it is.
_APPS_OWN: Final = frozenset(
    {f"{DATA_STORAGE}__credential", f"{DATA_STORAGE}__clientId", "BATCH_ACCOUNT_KEY", "ROUTES_FILE", *SCHEDULES}
)
_REFRESH: Final = 'azd env refresh && set -a && eval "$(azd env get-values)" && set +a'


def judge_settings(app: Mapping[str, str], here: Mapping[str, str], endpoints: Endpoints) -> list[Finding]:
    """Judge the settings of the app, whose storage account has these endpoints, beside those of this command line."""
    references = sorted(name for name, value in app.items() if value.startswith(_REFERENCE) and name in SETTING_NAMES)
    plain = {name: value for name, value in app.items() if name not in references}
    found = list(_wrong_addresses(plain, endpoints, references))
    if references:
        detail = f"only the app can resolve {', '.join(references)}: see its /api/health"
        return [*found, Finding(name=_NAME, is_ok=None, detail=detail)]
    found += [*_invalid(plain, endpoints), *_different(plain, here)]
    return found or [Finding(name=_NAME, is_ok=True, detail="all valid, and as they are here")]


def _wrong_addresses(app: Mapping[str, str], endpoints: Endpoints, references: Sequence[str]) -> Iterator[Finding]:
    """Yield the addresses that are not the account's: without that of queues the trigger does not start."""
    for service, url in _addresses(endpoints):
        name = _URI.format(DATA_STORAGE, service)
        value = app.get(name, "").strip()
        if name in references or (not value and DATA_STORAGE in app):
            continue  # a vault or a connection string says it
        if value.rstrip("/").lower() != url.rstrip("/").lower():
            detail = f"{name} is {shown(value) if value else 'missing'}, and the account's is {url}"
            remedy = "have Bicep set it; BATCHDROP_SETTINGS of azd's environment must not name it"
            yield Finding(name=f"{service} address", is_ok=False, detail=detail, remedy=remedy, command=AZD_PROVISION)


def _invalid(app: Mapping[str, str], endpoints: Endpoints) -> Iterator[Finding]:
    mended = {_URI.format(DATA_STORAGE, service): url for service, url in _addresses(endpoints)}
    try:
        Settings.from_env({**app, **(mended if DATA_STORAGE not in app else {})})
    except SettingsError as exc:
        remedy = (
            "the app does not start with them: correct them in azd's environment (`azd env set`), where"
            " BATCHDROP_SETTINGS wins, and deploy again"
        )
        yield Finding(name=_NAME, is_ok=False, detail="; ".join(exc.problems), remedy=remedy, command="azd up")


def _different(app: Mapping[str, str], here: Mapping[str, str]) -> Iterator[Finding]:
    """Yield that this command line looks at other files than the app, or would do something else with them."""
    names = [
        name
        for name in sorted(SETTING_NAMES - _APPS_OWN)
        if app.get(name, "").strip() != here.get(name, "").strip() and _matters(app, name, here.get(name, ""))
    ]
    if not names:
        return
    other = [f"{name} is {_said(app.get(name, ''))} there and {_said(here.get(name, ''))} here" for name in names]
    remedy, command = "this command line acts by other settings than the app: read azd's environment again", _REFRESH
    if any(f'"{name}"' in here.get("BATCHDROP_SETTINGS", "") for name in names):
        remedy, command = "what BATCHDROP_SETTINGS says is not deployed yet", AZD_PROVISION
    yield Finding(name="same settings", is_ok=False, detail="; ".join(other), remedy=remedy, command=command)


def _matters(app: Mapping[str, str], name: str, value: str) -> bool:
    """Return whether the app would be another with this value of a setting: a default may be said or not."""
    try:
        return Settings.from_env({**app, name: value}) != Settings.from_env(app)
    except SettingsError:
        return True


def _said(value: str) -> str:
    return shown(value) if value.strip() else "not set"


def _addresses(endpoints: Endpoints) -> Sequence[tuple[str, str]]:
    named = (("blob", endpoints.blob), ("queue", endpoints.queue), ("table", endpoints.table))
    return [(service, url) for service, url in named if url]
