"""The app's settings: read once, from the environment that Azure Functions makes of the app settings.

`local.settings.json.example` shows every one with its default; the README explains them.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_core.errors import SettingsError
from batch_core.naming import BlobVersion
from batch_core.setting_reader import SettingReader

INPUT_CONTAINER = "input"
OUTPUT_CONTAINER = "output"
TABLE_NAME = "tasks"
COLLECT_SCHEDULE = "*/30 * * * * *"
SWEEP_SCHEDULE = "0 */5 * * * *"
TIDY_SCHEDULE = "0 30 * * * *"
COMMAND_LINE = "/bin/bash -c 'cat \"$INPUT_FILE\"'"
SCHEDULES = {
    "COLLECT_SCHEDULE": COLLECT_SCHEDULE,
    "SWEEP_SCHEDULE": SWEEP_SCHEDULE,
    "TIDY_SCHEDULE": TIDY_SCHEDULE,
}
BLOB_TRIGGER_SOURCES = ("LogsAndContainerScan", "EventGrid")
DATA_STORAGE = "DATA_STORAGE"

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOB_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,16}")
_CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_NOT_EMPTY = re.compile(r".+", re.DOTALL)
_IMAGE = re.compile(r"[^:\s]+:[^:\s]+:[^:\s]+:[^:\s]+")
_A_CONTAINER_NAME = "3 to 63 lower-case letters, digits and single hyphens"


@dataclass(frozen=True, kw_only=True)
class StorageConnection:
    """Either a connection string with an account key, or the account's service URIs (then: identity)."""

    connection_string: str = field(default="", repr=False)
    blob_uri: str = ""
    table_uri: str = ""


@dataclass(frozen=True, kw_only=True)
class BatchAccount:
    """Where Batch answers; without a key the app identifies itself by DefaultAzureCredential."""

    endpoint: str
    name: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """What every task has in common."""

    command_line: str
    max_wall_clock_time: timedelta
    retention_time: timedelta
    #: How long a node can read the input: the time in Batch's queue counts.
    input_sas_lifetime: timedelta
    #: ARM id of a managed identity of the pool that reads the input in place of a SAS; empty: SAS.
    identity_resource_id: str


@dataclass(frozen=True, kw_only=True)
class IntakeSettings:
    """Which files are taken, and how soon the sweep looks after what nobody else did."""

    #: Files that were last modified before it are left alone; None: all are taken.
    not_before: datetime | None
    skip_empty: bool
    #: What is younger is left to the trigger.
    sweep_grace: timedelta
    #: What waits longer gets the pool's state as its reason.
    explain_after: timedelta
    #: The host finds files by listing the container, not by Event Grid's events.
    is_scanned: bool

    def takes(self, version: BlobVersion) -> bool:
        """Tell whether the app takes this file by itself; a person can still submit it."""
        is_old = self.not_before is not None and version.last_modified < self.not_before
        return not is_old and not (self.skip_empty and version.size == 0)


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """The pool that tasks run on, and what `python -m batch_core setup` makes it of."""

    id: str
    node_count: int
    vm_size: str
    #: publisher:offer:sku:version
    image: str
    node_agent_sku: str
    task_slots_per_node: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, valid."""

    storage: StorageConnection
    input_container: str
    output_container: str
    table_name: str
    batch: BatchAccount
    job_prefix: str
    #: How long a closed job is kept.
    job_retention_time: timedelta
    intake: IntakeSettings
    #: How long output that is out of reach is waited for.
    output_patience: timedelta
    task: TaskSettings
    pool: PoolSettings

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check everything; raises `SettingsError` with every problem at once."""
        reader = SettingReader(env)
        settings = cls(
            storage=_storage(reader),
            input_container=reader.text("INPUT_CONTAINER", _CONTAINER_NAME, _A_CONTAINER_NAME, INPUT_CONTAINER),
            output_container=reader.text("OUTPUT_CONTAINER", _CONTAINER_NAME, _A_CONTAINER_NAME, OUTPUT_CONTAINER),
            table_name=reader.text("TABLE_NAME", _TABLE_NAME, "3 to 63 letters and digits, a letter first", TABLE_NAME),
            batch=_batch_account(reader),
            job_prefix=reader.text("JOB_PREFIX", _JOB_PREFIX, "1 to 16 letters, digits, hyphens, underscores", "files"),
            job_retention_time=reader.duration("JOB_RETENTION_TIME", "P7D", timedelta(0), timedelta(days=3650)),
            intake=_intake(reader),
            output_patience=reader.duration("OUTPUT_PATIENCE", "PT15M", timedelta(seconds=1), timedelta(days=7)),
            task=_task(reader),
            pool=_pool(reader),
        )
        if settings.input_container == settings.output_container:
            reader.problems.append(
                f"INPUT_CONTAINER and OUTPUT_CONTAINER are both {settings.input_container!r}: "
                "they must differ, or every output would be taken as a new input"
            )
        _check_triggers(reader)
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


@dataclass(frozen=True, kw_only=True)
class BindingExpressions:
    """What the triggers' bindings say: `%NAME%` where the host can resolve it, else the default.

    A host refuses a function whose `%NAME%` is not set, so that a missing setting would unload the function.
    """

    input_path: str
    blob_source: str
    collect_schedule: str
    sweep_schedule: str
    tidy_schedule: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "BindingExpressions":
        container = "%INPUT_CONTAINER%" if env.get("INPUT_CONTAINER") else INPUT_CONTAINER
        source = env.get("BLOB_TRIGGER_SOURCE", "")
        return cls(
            input_path=container + "/{name}",
            blob_source=source if source in BLOB_TRIGGER_SOURCES else BLOB_TRIGGER_SOURCES[0],
            collect_schedule="%COLLECT_SCHEDULE%" if env.get("COLLECT_SCHEDULE") else COLLECT_SCHEDULE,
            sweep_schedule="%SWEEP_SCHEDULE%" if env.get("SWEEP_SCHEDULE") else SWEEP_SCHEDULE,
            tidy_schedule="%TIDY_SCHEDULE%" if env.get("TIDY_SCHEDULE") else TIDY_SCHEDULE,
        )


def _storage(reader: SettingReader) -> StorageConnection:
    connection_string = reader.raw(DATA_STORAGE)
    if connection_string:
        if (
            "accountkey=" not in connection_string.lower()
            and "usedevelopmentstorage=true" not in connection_string.lower()
        ):
            reader.problems.append(
                f"{DATA_STORAGE} has no AccountKey: use the connection string of the account's access keys, "
                f"or {DATA_STORAGE}__blobServiceUri and {DATA_STORAGE}__tableServiceUri with a managed identity"
            )
        return StorageConnection(connection_string=connection_string)
    blob, table = f"{DATA_STORAGE}__blobServiceUri", f"{DATA_STORAGE}__tableServiceUri"
    if not reader.raw(blob) and not reader.raw(table):
        reader.problems.append(f"{DATA_STORAGE} is missing: set it to a connection string, or set {blob} and {table}")
        return StorageConnection()
    return StorageConnection(
        blob_uri=reader.url(blob, "https://ACCOUNT.blob.core.windows.net"),
        table_uri=reader.url(table, "https://ACCOUNT.table.core.windows.net"),
    )


def _batch_account(reader: SettingReader) -> BatchAccount:
    endpoint = reader.url("BATCH_ENDPOINT", "https://ACCOUNT.REGION.batch.azure.com")
    key = reader.raw("BATCH_ACCOUNT_KEY")
    if not key:
        if endpoint.startswith("http://"):
            reader.problems.append(
                "BATCH_ACCOUNT_KEY is missing: without a key BATCH_ENDPOINT must begin with https://, "
                "because tokens are never sent unencrypted"
            )
        return BatchAccount(endpoint=endpoint)
    if not _is_base64(key):
        reader.problems.append("BATCH_ACCOUNT_KEY is not base64: copy one of the account's two access keys as it is")
    name = reader.text("BATCH_ACCOUNT_NAME", _NOT_EMPTY, "the name of the Batch account that the key belongs to")
    return BatchAccount(endpoint=endpoint, name=name, key=key)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _task(reader: SettingReader) -> TaskSettings:
    minute, week, half_year = timedelta(minutes=1), timedelta(days=7), timedelta(days=180)
    return TaskSettings(
        command_line=reader.text("TASK_COMMAND_LINE", _NOT_EMPTY, "a command line", COMMAND_LINE),
        max_wall_clock_time=reader.duration("TASK_MAX_WALL_CLOCK_TIME", "P1D", timedelta(seconds=1), half_year),
        retention_time=reader.duration("TASK_RETENTION_TIME", "P7D", minute, half_year),
        # A user-delegation key, and so every SAS that it signs, lives at most 7 days
        # (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
        input_sas_lifetime=reader.duration(
            "INPUT_SAS_LIFETIME", "P7D", minute, week if _is_identity(reader) else half_year
        ),
        identity_resource_id=reader.raw("POOL_IDENTITY_RESOURCE_ID"),
    )


def _intake(reader: SettingReader) -> IntakeSettings:
    second, day = timedelta(seconds=1), timedelta(days=1)
    return IntakeSettings(
        not_before=reader.moment("INPUT_NOT_BEFORE"),
        skip_empty=reader.flag("INPUT_SKIP_EMPTY"),
        sweep_grace=reader.duration("SWEEP_GRACE", "PT2M", second, day),
        explain_after=reader.duration("EXPLAIN_AFTER", "PT10M", second, day),
        is_scanned=reader.raw("BLOB_TRIGGER_SOURCE") != BLOB_TRIGGER_SOURCES[1],
    )


def _is_identity(reader: SettingReader) -> bool:
    return not reader.raw(DATA_STORAGE)


def _pool(reader: SettingReader) -> PoolSettings:
    ubuntu = "canonical:ubuntu-24_04-lts:server:latest"
    return PoolSettings(
        id=reader.text(
            "BATCH_POOL_ID",
            _BATCH_ID,
            "the id of a pool: 1 to 64 letters, digits, hyphens, underscores",
        ),
        node_count=reader.number("POOL_NODE_COUNT", 2, 0, 1000),
        vm_size=reader.text("POOL_VM_SIZE", _NOT_EMPTY, "a VM size", "STANDARD_D2S_V3"),
        image=reader.text("POOL_IMAGE", _IMAGE, f"publisher:offer:sku:version, such as {ubuntu}", ubuntu),
        node_agent_sku=reader.text("POOL_NODE_AGENT_SKU", _NOT_EMPTY, "a node agent SKU", "batch.node.ubuntu 24.04"),
        task_slots_per_node=reader.number("POOL_TASK_SLOTS_PER_NODE", 1, 1, 256),
    )


def _check_triggers(reader: SettingReader) -> None:
    source = reader.raw("BLOB_TRIGGER_SOURCE")
    if source and source not in BLOB_TRIGGER_SOURCES:
        reader.problems.append(f"BLOB_TRIGGER_SOURCE is {source!r}: it must be {' or '.join(BLOB_TRIGGER_SOURCES)}")
    for name, default in SCHEDULES.items():
        schedule = reader.raw(name)
        if schedule and len(schedule.split()) != 6:
            reader.problems.append(
                f"{name} is {schedule!r}: it must be an NCRONTAB expression of six fields, such as {default!r}"
            )
