"""Reads the connection string of a Storage account so that all who use it read the same.

It is read by the app's SDKs, and by the Functions host with the SDK of .NET, whose parser (`StorageConnectionString` in
azure-sdk-for-net) trims nothing, knows no other names than these and no other spelling:
https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
"""

from typing import Final

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from batch_core.config.access_key import is_access_key, is_account_name
from batch_core.config.service_url import host_of, url_problem

#: Account and key of every Azurite: public, and the same everywhere.
#: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
DEVELOPMENT_ACCOUNT: Final = "devstoreaccount1"
_DEVELOPMENT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT_PORTS: Final = {"Blob": 10000, "Queue": 10001, "Table": 10002}

_SERVICES: Final = ("Blob", "Queue", "Table", "File")
_NAMES: Final = (
    *("DefaultEndpointsProtocol", "AccountName", "AccountKey", "EndpointSuffix", "SharedAccessSignature"),
    *("UseDevelopmentStorage", "DevelopmentStorageProxyUri"),
    *(f"{service}{kind}" for service in _SERVICES for kind in ("Endpoint", "SecondaryEndpoint")),
)
_SPELLING: Final = {name.lower(): name for name in _NAMES}


class ConnectionStringError(ValueError):
    """A connection string cannot be used; the text says why and repeats none of it."""


def parse_connection_string(text: str) -> str:
    """Return a connection string that every SDK takes, or raise ConnectionStringError.

    `UseDevelopmentStorage=true`, with `DevelopmentStorageProxyUri` or without, is written out as the endpoints it
    means: each SDK has another opinion of its spelling, and the one for tables knows no proxy. The key is checked,
    which no SDK does before it signs; http to another machine is refused, except for the development account, whose
    key is public.
    """
    parts = _parts(text)
    if "UseDevelopmentStorage" in parts:
        return _development(parts)
    _require_key(parts)
    _require_all_endpoints(parts)
    is_public = parts["AccountName"] == DEVELOPMENT_ACCOUNT
    for name, url in _endpoints(text, parts).items():
        if problem := url_problem(url, is_http_allowed=is_public, is_path_allowed=True):
            raise ConnectionStringError(f"its {name} {problem}")
    return text


def account_of(text: str) -> str:
    """Return the account's name in a connection string that was parsed."""
    return _parts(text).get("AccountName", DEVELOPMENT_ACCOUNT)


def blob_endpoint_of(text: str) -> str:
    """Return the URL of the Blob service in a connection string that was parsed."""
    return str(BlobServiceClient.from_connection_string(text).url).rstrip("/")


def queue_endpoint_of(text: str) -> str:
    """Return the URL of the Queue service in a connection string that was parsed.

    What is not named is at Azure (https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string).
    """
    parts = _parts(text)
    at_azure = (
        f"{parts.get('DefaultEndpointsProtocol', 'https')}://{parts['AccountName']}.queue."
        f"{parts.get('EndpointSuffix', 'core.windows.net')}"
    )
    return parts.get("QueueEndpoint", at_azure).rstrip("/")


def account_key_of(text: str) -> tuple[str, str]:
    """Return the account's name and key in a connection string that was parsed; the key is a secret."""
    parts = _parts(text)
    return parts["AccountName"], parts["AccountKey"]


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        name, is_pair, value = part.partition("=")
        _require_name(name, has_value=bool(is_pair and value))
        if name in parts:
            raise ConnectionStringError(f"it names {name} twice")
        if value != value.strip():
            raise ConnectionStringError(f"there are blanks around the value of {name}: remove them")
        parts[name] = value
    return parts


def _require_name(name: str, *, has_value: bool) -> None:
    known = _SPELLING.get(name.strip().lower())
    if name != name.strip():
        raise ConnectionStringError("there is a blank or a line break after a ';': remove it, the host reads none")
    if known is None:
        raise ConnectionStringError("it must be NAME=VALUE;NAME=VALUE... with the names of the account's access keys")
    if known != name:
        raise ConnectionStringError(f"the host reads {known} in this spelling alone")
    if not has_value:
        raise ConnectionStringError(f"{name} has no value")


def _development(parts: dict[str, str]) -> str:
    if parts.pop("UseDevelopmentStorage").lower() != "true":
        raise ConnectionStringError("UseDevelopmentStorage can only be true")
    proxy = parts.pop("DevelopmentStorageProxyUri", "http://127.0.0.1").rstrip("/")
    if parts:
        raise ConnectionStringError(f"beside UseDevelopmentStorage nothing else is allowed, such as {min(parts)}")
    if problem := url_problem(proxy, is_http_allowed=True):
        raise ConnectionStringError(f"its DevelopmentStorageProxyUri {problem}")
    # As the SDK of .NET makes them: scheme and host of the proxy, the usual ports.
    base = f"{proxy.partition('://')[0]}://{host_of(proxy)}"
    endpoints = (f"{name}Endpoint={base}:{port}/{DEVELOPMENT_ACCOUNT}" for name, port in _DEVELOPMENT_PORTS.items())
    return f"AccountName={DEVELOPMENT_ACCOUNT};AccountKey={_DEVELOPMENT_KEY};{';'.join(endpoints)}"


def _require_key(parts: dict[str, str]) -> None:
    for name in ("AccountName", "AccountKey"):
        if name not in parts:
            raise ConnectionStringError(f"it has no {name}: use the connection string of the account's access keys")
    if not is_account_name(parts["AccountName"]):
        raise ConnectionStringError("its AccountName is none: letters and digits, as in the account's URL")
    if not is_access_key(parts["AccountKey"]):
        raise ConnectionStringError("its AccountKey is not base64: copy one of the account's two access keys as it is")


def _endpoints(text: str, parts: dict[str, str]) -> dict[str, str]:
    """Return every URL that is written in a connection string, and those that the SDKs make where none is."""
    if parts.get("DefaultEndpointsProtocol", "https").lower() not in {"http", "https"}:
        raise ConnectionStringError("its DefaultEndpointsProtocol must be https")
    try:
        # Two of the SDKs' own readers: nothing is opened or sent before the first call.
        blobs = BlobServiceClient.from_connection_string(text)
        tables = TableServiceClient.from_connection_string(text)
        made = {"BlobEndpoint": str(blobs.url), "TableEndpoint": str(tables.url)}
    except ValueError as exc:
        raise ConnectionStringError("the SDK of Storage cannot read it: copy it again from the access keys") from exc
    return made | {name: value for name, value in parts.items() if name.endswith("Endpoint")}


def _require_all_endpoints(parts: dict[str, str]) -> None:
    # What is not named lies under the account's name at Azure: not what is meant where another place is named.
    named = [name for name in ("BlobEndpoint", "QueueEndpoint", "TableEndpoint") if name in parts]
    at_azure = [name for name in named if f"//{parts['AccountName']}." in parts[name]]
    missing = {"BlobEndpoint", "QueueEndpoint", "TableEndpoint"} - set(named)
    if missing and len(at_azure) != len(named):
        raise ConnectionStringError(f"it names {named[0]}, but not {min(missing)}")
