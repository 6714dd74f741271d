"""The app's settings: read once, from the environment that Azure Functions makes of the app settings.

`local.settings.json.example` shows every one with its default; the README explains them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from batch_core.config.accounts import BatchAccount, StorageConnection, read_batch_account, read_storage
from batch_core.config.identity import client_id_of, identity_problems
from batch_core.config.names import DATA_STORAGE, misspelled
from batch_core.config.reader import SettingReader
from batch_core.config.schedule import CronSchedule
from batch_core.config.task_command import command_problem, command_warnings, wrong_variable
from batch_core.errors import SettingsError
from batch_core.naming import BlobVersion
from batch_core.redaction import shown

INPUT_CONTAINER: Final = "input"
OUTPUT_CONTAINER: Final = "output"
TABLE_NAME: Final = "tasks"
COLLECT_SCHEDULE: Final = "*/30 * * * * *"
SWEEP_SCHEDULE: Final = "0 */5 * * * *"
SCALE_SCHEDULE: Final = "*/15 * * * * *"
TIDY_SCHEDULE: Final = "0 30 * * * *"
ROUTES_FILE: Final = "routes.toml"
COMMAND_LINE: Final = "/bin/bash -c 'cat \"$INPUT_FILE\"'"
SCHEDULES: Final = {
    "COLLECT_SCHEDULE": COLLECT_SCHEDULE,
    "SWEEP_SCHEDULE": SWEEP_SCHEDULE,
    "SCALE_SCHEDULE": SCALE_SCHEDULE,
    "TIDY_SCHEDULE": TIDY_SCHEDULE,
}
BLOB_TRIGGER_SOURCES: Final = ("LogsAndContainerScan", "EventGrid")

_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOB_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
# A host keeps its own state in containers that begin with azure-webjobs.
_CONTAINER_NAME: Final = re.compile(r"(?!azure-webjobs)(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#table-names
_TABLE_NAME: Final = re.compile(r"(?!tables$)[A-Za-z][A-Za-z0-9]{2,62}", re.IGNORECASE)
#: Of the Marketplace, of one's own, and of galleries that others share with one or with everybody
#: (https://learn.microsoft.com/azure/batch/batch-sig-images).
IMAGE_PATTERN: Final = (
    r"[^:\s]+(:[^:\s]+){3}"
    r"|/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Compute/(images|galleries)/[^:\s]+"
    r"|/(SharedGalleries|CommunityGalleries)/[^:\s]+"
)
AN_IMAGE: Final = (
    "publisher:offer:sku:version, such as canonical:ubuntu-24_04-lts:server:latest, or the resource id of an image"
)
_UBUNTU: Final = "canonical:ubuntu-24_04-lts:server:latest"
# A host keeps its own queues under these names, and hides what fails in one that ends so.
# https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata
_QUEUE_NAME: Final = re.compile(r"|(?!azure-webjobs|webjobs-)(?!.*-poison$)(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_A_QUEUE_NAME: Final = (
    "3 to 63 lower-case letters, digits and single hyphens, and not azure-webjobs..., webjobs-... or ...-poison, which"
    " are the host's"
)
_A_CONTAINER_NAME: Final = "3 to 63 lower-case letters, digits and single hyphens (azure-webjobs... is the host's)"
_A_TABLE_NAME: Final = "3 to 63 letters and digits, a letter first, and not the reserved word tables"
_ROUTES_FILE: Final = re.compile(r"[^\0]{1,1000}\.toml")
_VM_SIZE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_AGENT_SKU: Final = re.compile(r"[A-Za-z0-9._-]+( [A-Za-z0-9._-]+)*")
_IDENTITY: Final = re.compile(
    r"|/subscriptions/[^/\s]+/resourcegroups/[^/\s]+/providers/microsoft\.managedidentity/userassignedidentities/[^/\s]+",
    re.IGNORECASE,
)


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
    """Which files are taken, and how soon the sweep takes over from the trigger."""

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
        """Return whether the app takes this file by itself; a person can still submit it."""
        return self.why_left_alone(version) is None

    def why_left_alone(self, version: BlobVersion) -> str | None:
        """Return why the app does not take this file by itself, as a sentence; None: it does."""
        if self.skip_empty and version.size == 0:
            return "it is empty, and INPUT_SKIP_EMPTY is true"
        if self.not_before is not None and version.last_modified < self.not_before:
            return f"it was written before {self.not_before:%Y-%m-%d %H:%M:%S} UTC, as INPUT_NOT_BEFORE says"
        return None


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """The pool that tasks run on, and what `batchdrop setup` makes it of."""

    id: str
    node_count: int
    vm_size: str
    #: publisher:offer:sku:version
    #: As `IMAGE_PATTERN` says.
    image: str
    node_agent_sku: str
    task_slots_per_node: int
    #: Somebody else makes, changes and removes it.
    is_existing: bool
    #: Bounds within which the app sets the number of nodes; 0 as the upper one: it leaves the number alone.
    min_nodes: int
    max_nodes: int
    #: How many of a hundred nodes that the app asks for are Spot nodes.
    spot_percent: int


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """How long what has ended is kept, counted from its end; None: it is kept."""

    records: timedelta | None
    outputs: timedelta | None


@dataclass(frozen=True, kw_only=True)
class RoutesSettings:
    """Where the routes are: a file that must exist if the setting names it, and may be missing if not."""

    file: Path
    is_required: bool


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, valid."""

    storage: StorageConnection
    #: The user-assigned identity that the app is wherever it has no key; empty: what DefaultAzureCredential finds.
    identity_client_id: str
    input_container: str
    output_container: str
    table_name: str
    #: The storage queue that gets a message for each final state; empty: there are none.
    events_queue: str
    batch: BatchAccount
    job_prefix: str
    #: How long a terminated job is kept.
    job_retention_time: timedelta
    retention: RetentionSettings
    intake: IntakeSettings
    #: How long output that is out of reach is waited for.
    output_patience: timedelta
    task: TaskSettings
    pool: PoolSettings
    routes: RoutesSettings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is valid and probably not meant, a sentence each."""
        return command_warnings(self.task.command_line)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read and check everything; raises `SettingsError` with every problem at once.

        A value is valid when what uses it takes it: the SDKs' own readers have read it when this returns.
        """
        reader = SettingReader(env)
        settings = cls(
            storage=read_storage(reader),
            identity_client_id=client_id_of(env, DATA_STORAGE),
            input_container=reader.text("INPUT_CONTAINER", _CONTAINER_NAME, _A_CONTAINER_NAME, INPUT_CONTAINER),
            output_container=reader.text("OUTPUT_CONTAINER", _CONTAINER_NAME, _A_CONTAINER_NAME, OUTPUT_CONTAINER),
            table_name=reader.text("TABLE_NAME", _TABLE_NAME, _A_TABLE_NAME, TABLE_NAME),
            events_queue=reader.text("EVENTS_QUEUE", _QUEUE_NAME, _A_QUEUE_NAME, ""),
            batch=read_batch_account(reader),
            job_prefix=reader.text("JOB_PREFIX", _JOB_PREFIX, "1 to 16 letters, digits, hyphens, underscores", "files"),
            job_retention_time=reader.duration("JOB_RETENTION_TIME", "P7D", timedelta(0), timedelta(days=3650)),
            retention=_retention(reader),
            intake=_intake(reader),
            output_patience=reader.duration("OUTPUT_PATIENCE", "PT15M", timedelta(seconds=1), timedelta(days=7)),
            task=_task(reader),
            pool=_pool(reader),
            routes=_routes(reader),
        )
        if settings.input_container == settings.output_container:
            reader.problems.note(
                f"INPUT_CONTAINER and OUTPUT_CONTAINER are both {shown(settings.input_container)}: "
                "they must differ, or every output would be taken as a new input"
            )
        _check_triggers(reader)
        reader.problems.note_all(
            f"{shown(name)} is no setting of this app: did you mean {meant}?" for name, meant in misspelled(env).items()
        )
        reader.problems.note_all(identity_problems(env, DATA_STORAGE))
        reader.problems.raise_as(SettingsError)
        return settings


def _task(reader: SettingReader) -> TaskSettings:
    minute, week, half_year = timedelta(minutes=1), timedelta(days=7), timedelta(days=180)
    return TaskSettings(
        command_line=_command_line(reader),
        max_wall_clock_time=reader.duration("TASK_MAX_WALL_CLOCK_TIME", "P1D", timedelta(seconds=1), half_year),
        retention_time=reader.duration("TASK_RETENTION_TIME", "P7D", minute, half_year),
        # A user-delegation key, and so every SAS that it signs, lives at most 7 days
        # (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
        input_sas_lifetime=reader.duration(
            "INPUT_SAS_LIFETIME", "P7D", minute, week if _is_identity(reader) else half_year
        ),
        identity_resource_id=reader.text(
            "POOL_IDENTITY_RESOURCE_ID", _IDENTITY, "the ARM id of a managed identity", ""
        ),
    )


def _command_line(reader: SettingReader) -> str:
    command_line = reader.raw("TASK_COMMAND_LINE") or COMMAND_LINE
    found = (command_problem(command_line), wrong_variable(command_line, is_folder=False))
    reader.problems.note_all(f"TASK_COMMAND_LINE {problem}" for problem in found if problem)
    return command_line


def _intake(reader: SettingReader) -> IntakeSettings:
    second, day = timedelta(seconds=1), timedelta(days=1)
    return IntakeSettings(
        not_before=reader.moment("INPUT_NOT_BEFORE"),
        skip_empty=reader.flag("INPUT_SKIP_EMPTY"),
        sweep_grace=reader.duration("SWEEP_GRACE", "PT2M", second, day),
        explain_after=reader.duration("EXPLAIN_AFTER", "PT10M", second, day),
        is_scanned=reader.raw("BLOB_TRIGGER_SOURCE") != BLOB_TRIGGER_SOURCES[1],
    )


def _retention(reader: SettingReader) -> RetentionSettings:
    # What is younger may still be on its way: see `forgotten.RECENT`.
    day, ten_years = timedelta(days=1), timedelta(days=3650)
    retention = RetentionSettings(
        records=reader.optional_duration("RECORD_RETENTION_TIME", "P90D", day, ten_years),
        outputs=reader.optional_duration("OUTPUT_RETENTION_TIME", "P30D", day, ten_years),
    )
    if retention.records is not None and retention.outputs is not None and retention.outputs > retention.records:
        reader.problems.note(
            "OUTPUT_RETENTION_TIME is longer than RECORD_RETENTION_TIME: outputs are found by their records, so they"
            " must go first; leave it out, and they are kept"
        )
    return retention


def _is_identity(reader: SettingReader) -> bool:
    return not reader.raw(DATA_STORAGE)


def _pool(reader: SettingReader) -> PoolSettings:
    pool = PoolSettings(
        id=reader.text(
            "BATCH_POOL_ID",
            _BATCH_ID,
            "the id of a pool: 1 to 64 letters, digits, hyphens, underscores",
        ),
        node_count=reader.number("POOL_NODE_COUNT", 2, 0, 1000),
        vm_size=reader.text("POOL_VM_SIZE", _VM_SIZE, "a VM size", "STANDARD_D2S_V3"),
        image=reader.text("POOL_IMAGE", re.compile(IMAGE_PATTERN), AN_IMAGE, _UBUNTU),
        node_agent_sku=reader.text("POOL_NODE_AGENT_SKU", _AGENT_SKU, "a node agent SKU", "batch.node.ubuntu 24.04"),
        task_slots_per_node=reader.number("POOL_TASK_SLOTS_PER_NODE", 1, 1, 256),
        is_existing=reader.flag("POOL_EXISTING"),
        min_nodes=reader.number("POOL_MIN_NODES", 0, 0, 1000),
        max_nodes=reader.number("POOL_MAX_NODES", 0, 0, 1000),
        spot_percent=reader.number("POOL_SPOT_PERCENT", 0, 0, 100),
    )
    if pool.min_nodes > pool.max_nodes:
        reader.problems.note(
            f"POOL_MIN_NODES is {pool.min_nodes}, which is more than POOL_MAX_NODES: that is {pool.max_nodes}"
        )
    return pool


def _routes(reader: SettingReader) -> RoutesSettings:
    name = reader.text("ROUTES_FILE", _ROUTES_FILE, "the path of a file, such as routes.toml", ROUTES_FILE)
    return RoutesSettings(file=_app_folder() / name, is_required=bool(reader.raw("ROUTES_FILE")))


def _app_folder() -> Path:
    """Return the folder of function_app.py; the current one where the package is installed elsewhere."""
    # A worker's current folder is not always the app's
    # (https://learn.microsoft.com/azure/azure-functions/functions-reference-python#folder-structure).
    folder = Path(__file__).parents[2]
    return folder if (folder / "function_app.py").is_file() else Path()


def _check_triggers(reader: SettingReader) -> None:
    source = reader.raw("BLOB_TRIGGER_SOURCE")
    if source and source not in BLOB_TRIGGER_SOURCES:
        reader.refuse("BLOB_TRIGGER_SOURCE", source, " or ".join(BLOB_TRIGGER_SOURCES))
    for name, default in SCHEDULES.items():
        schedule = reader.raw(name) or default
        try:
            CronSchedule.parse(schedule)
        except ValueError as exc:
            rule = f"an NCRONTAB expression of six fields, such as {default!r}: {exc}"
            reader.refuse(name, schedule, rule)
