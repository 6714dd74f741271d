"""The accounts that the settings name: Storage and Batch, each with a key or without."""

import re
from dataclasses import dataclass, field

from batch_core.config.access_key import is_access_key, is_account_name
from batch_core.config.names import DATA_STORAGE
from batch_core.config.reader import SettingReader
from batch_core.config.storage_connection import (
    ConnectionStringError,
    blob_endpoint_of,
    parse_connection_string,
    queue_endpoint_of,
)
from batch_core.redaction import shown


@dataclass(frozen=True, kw_only=True)
class StorageConnection:
    """Either a connection string with an account key, or the account's service URIs (then: identity)."""

    connection_string: str = field(default="", repr=False)
    blob_uri: str = ""
    table_uri: str = ""
    queue_uri: str = ""

    @property
    def blob_endpoint(self) -> str:
        """Where the Blob service answers."""
        return self.blob_uri or blob_endpoint_of(self.connection_string)

    @property
    def queue_endpoint(self) -> str:
        """Where the Queue service answers."""
        return self.queue_uri or queue_endpoint_of(self.connection_string)


@dataclass(frozen=True, kw_only=True)
class BatchAccount:
    """Where Batch answers; without a key the app identifies itself by DefaultAzureCredential."""

    endpoint: str
    name: str = ""
    key: str = field(default="", repr=False)


def read_storage(reader: SettingReader) -> StorageConnection:
    """Read where containers and table are; notes what is wrong in the reader."""
    # As it is: what the host makes of it for the trigger must be what the app makes of it.
    connection_string = reader.exact(DATA_STORAGE)
    _check_overridden(reader, connection_string)
    if not connection_string or not connection_string.strip():
        return _storage_by_identity(reader, is_empty=connection_string is not None)
    try:
        return StorageConnection(connection_string=parse_connection_string(connection_string))
    except ConnectionStringError as exc:
        reader.problems.note(
            f"{DATA_STORAGE} is no connection string that can be used: {exc}; with a managed identity set"
            f" {DATA_STORAGE}__blobServiceUri, __queueServiceUri and __tableServiceUri in its place"
        )
        return StorageConnection()


def _check_overridden(reader: SettingReader, connection_string: str | None) -> None:
    # A host looks for the name with this prefix first (`WebJobsConfigurationExtensions.GetWebJobsConnectionSection`).
    other = reader.exact(f"AzureWebJobs{DATA_STORAGE}")
    if other is not None and other != connection_string:
        reader.problems.note(
            f"AzureWebJobs{DATA_STORAGE} is set: the triggers would use it in place of {DATA_STORAGE}; remove it"
        )


def _storage_by_identity(reader: SettingReader, *, is_empty: bool) -> StorageConnection:
    services = ("blob", "queue", "table")
    names = {service: f"{DATA_STORAGE}__{service}ServiceUri" for service in services}
    if not any(map(reader.raw, names.values())):
        reader.problems.note(
            f"{DATA_STORAGE} is missing: set it to a connection string, or set {', '.join(names.values())}"
        )
        return StorageConnection()
    if is_empty:
        # The real host takes the empty text for a connection string.
        reader.problems.note(f"{DATA_STORAGE} is empty beside {names['blob']}: remove it, the triggers would use it")
    # The blob trigger's poison messages are in the account of the blobs, and so are events.
    urls = {
        service: reader.url(name, f"https://ACCOUNT.{service}.core.windows.net", service)
        for service, name in names.items()
    }
    for service, url in urls.items():
        if url.lower().startswith("http://"):
            reader.problems.note(f"{names[service]} must begin with https://: tokens are never sent unencrypted")
    return StorageConnection(blob_uri=urls["blob"], table_uri=urls["table"], queue_uri=urls["queue"])


def read_batch_account(reader: SettingReader) -> BatchAccount:
    """Read where Batch answers and who asks it; notes what is wrong in the reader."""
    endpoint = reader.url("BATCH_ENDPOINT", "https://ACCOUNT.REGION.batch.azure.com", "batch")
    key, name = reader.raw("BATCH_ACCOUNT_KEY"), reader.raw("BATCH_ACCOUNT_NAME")
    if not key:
        if endpoint.startswith("http://"):
            reader.problems.note(
                "BATCH_ACCOUNT_KEY is missing: without a key BATCH_ENDPOINT must begin with https://, "
                "because tokens are never sent unencrypted"
            )
        return BatchAccount(endpoint=endpoint)
    if not is_access_key(key):
        reader.problems.note("BATCH_ACCOUNT_KEY is not base64: copy one of the account's two access keys as it is")
    _check_account_name(reader, name, endpoint)
    return BatchAccount(endpoint=endpoint, name=name, key=key)


def _check_account_name(reader: SettingReader, name: str, endpoint: str) -> None:
    rule = "the name of the Batch account that the key belongs to"
    at_azure = re.match(r"https://([A-Za-z0-9-]+)\.[^/]*\bbatch\.", endpoint)
    if not name:
        reader.problems.note(f"BATCH_ACCOUNT_NAME is missing: set it to {rule}")
    elif not is_account_name(name):
        reader.refuse("BATCH_ACCOUNT_NAME", name, rule)
    elif at_azure and at_azure[1].lower() != name.lower():
        reader.problems.note(
            f"BATCH_ACCOUNT_NAME is {shown(name)}, but BATCH_ENDPOINT is that of account {at_azure[1]}"
        )
