"""How records, the index of open work and jobs look in the table.

One table:

    PartitionKey   RowKey               what
    20261123       918955-report-3f…    the record of a task; the newest of a day come first
    20261123       open-918955-report…  stands beside it while the task is not final: the index of open work
    20261123       noted                stands there while the day is noted: no record is written without it
    days           20261123             a day that may have open work
    jobs           files-pool-2026…-1   a job that tasks were added to, and how far it has been collected
    sweep          position             how far the listing of the input container has come
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from azure.data.tables import EdmType, EntityProperty, TableEntity

from batch_core.checked import checked
from batch_core.naming import table_keys
from batch_core.obstacle import Obstacle
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState

logger = logging.getLogger(__name__)

#: The longest text that is stored, in characters: reasons and messages come from outside, and a property may have
#: 64 KiB, an entity 1 MiB and a transaction 4 MiB
#: (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model).
MAX_TEXT_LENGTH = 2000

DAYS = "days"
JOBS = "jobs"
#: Between the records of a day, whose rows begin with a digit, and its index of open work.
NOTED = "noted"

type Entity = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A record as it stood in the table: a change is accepted only while `etag` is still its ETag."""

    record: TaskRecord
    etag: str
    #: When that was, in seconds of `time.monotonic`.
    read_at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """What the index says of a task that is not final yet."""

    task_id: str
    blob: str
    job_id: str
    since: datetime
    #: While it is queued: when to hand it to Batch again.
    next_attempt_at: datetime | None = None
    #: A person asked to stop it.
    is_cancelled: bool = False
    #: Its record is known to say that Batch has it.
    is_verified: bool = False
    #: Its file cannot be read: it was never handed to Batch, and is in no job yet.
    is_obstructed: bool = False
    #: The reason for its waiting that was last written to its record.
    explained: str | None = None
    #: When its output could not be copied for the first time.
    failing_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class JobEntry:
    """A job that tasks were added to."""

    job_id: str
    day: date
    number: int
    #: False once Batch said that it takes no more tasks.
    is_open: bool
    #: When it was closed, if the app did that: no task is open in it any more.
    closed_at: datetime | None = None
    #: Every task that completed before this moment has been collected; None: nothing is known yet.
    watermark: datetime | None = None


def record_entity(record: TaskRecord) -> Entity:
    return _entity_key(record.task_id) | _bounded_values({f.name: getattr(record, f.name) for f in fields(record)})


def open_entity(record: TaskRecord) -> Entity:
    values = {"task_id": record.task_id, "blob": record.blob, "job_id": record.job_id, "since": record.recorded_at}
    obstructed = {"is_obstructed": True} if record.obstacle else {}
    return open_key(record.task_id) | _bounded_values(values | obstructed)


def open_key(task_id: str) -> Entity:
    keys = table_keys(task_id)
    return {"PartitionKey": keys.partition, "RowKey": keys.open_row}


def day_entity(day: str) -> Entity:
    """Return what lists a day among those that may have open work."""
    return {"PartitionKey": DAYS, "RowKey": day}


def noted_entity(day: str) -> Entity:
    """Return what stands in a day that is listed."""
    return {"PartitionKey": day, "RowKey": NOTED}


def mark_entity(task_id: str, marks: Mapping[str, Any]) -> Entity:
    """Return what a mark merges into an index entity."""
    return open_key(task_id) | _merged(marks)


def to_open_task(entity: TableEntity) -> OpenTask:
    return checked(OpenTask, _present(entity, OpenTask))


def outcome_entity(task_id: str, outcome: Outcome, closed_at: datetime) -> Entity:
    """Return what a final state merges into a record; `reason` is always set, so that no old one stays."""
    values = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    values |= {"reason": outcome.reason or "", "closed_at": closed_at}
    return _entity_key(task_id) | _bounded_values(values)


def change_entity(task_id: str, changes: Mapping[str, Any]) -> Entity:
    """Return what a change merges into a record."""
    return _entity_key(task_id) | _merged(changes)


def _merged(changes: Mapping[str, Any]) -> Entity:
    """Return the values with None as an empty text: a merge cannot remove a property."""
    return _bounded_values(changes) | {name: "" for name, value in changes.items() if value is None}


def bounded(text: str) -> str:
    """Return the text, or its beginning if it is longer than what is stored of one."""
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[: MAX_TEXT_LENGTH - 1]}…"


def readable[T](entities: Iterable[TableEntity], read: Callable[[TableEntity], T]) -> list[T]:
    """Read each entity by itself; one that cannot be read is logged and left out: it holds up none of the others."""
    found: list[T] = []
    for entity in entities:
        try:
            found.append(read(entity))
        except (LookupError, TypeError, ValueError) as exc:
            keys = f"({entity.get('PartitionKey')!r}, {entity.get('RowKey')!r})"
            logger.error("An entity of the table, %s, cannot be read: %s: %s", keys, type(exc).__name__, exc)  # noqa: TRY400
    return found


def _bounded_values(values: Mapping[str, Any]) -> Entity:
    return property_values({name: bounded(value) if type(value) is str else value for name, value in values.items()})


def property_values(values: Mapping[str, Any]) -> Entity:
    """Return the values as the table takes them: what is None is left out."""
    return {name: _property_value(value) for name, value in values.items() if value is not None}


def to_record(entity: TableEntity) -> Stored:
    values = _present(entity, TaskRecord)
    values["state"] = TaskState(values["state"])
    values["detected_by"] = DetectedBy(values["detected_by"])
    if "obstacle" in values:
        values["obstacle"] = Obstacle(values["obstacle"])
    return Stored(record=checked(TaskRecord, values), etag=str(entity.metadata["etag"]))


def _present(entity: TableEntity, cls: type[OpenTask | TaskRecord]) -> dict[str, Any]:
    """Return the fields that the entity has."""
    found = {f.name: field_value(entity.get(f.name)) for f in fields(cls)}
    return {name: value for name, value in found.items() if value is not None}


def job_entity(job: JobEntry) -> Entity:
    return property_values(
        {
            "PartitionKey": JOBS,
            "RowKey": job.job_id,
            "day": f"{job.day:%Y%m%d}",
            "number": job.number,
            "is_open": job.is_open,
            "closed_at": job.closed_at,
            "watermark": job.watermark,
        }
    )


def to_job(entity: TableEntity) -> JobEntry:
    values = {
        "job_id": entity["RowKey"],
        "day": datetime.strptime(entity["day"], "%Y%m%d").replace(tzinfo=UTC).date(),
        "number": field_value(entity["number"]),
        "is_open": entity["is_open"],
        "closed_at": field_value(entity.get("closed_at")),
        "watermark": field_value(entity.get("watermark")),
    }
    return checked(JobEntry, values)


def _entity_key(task_id: str) -> Entity:
    keys = table_keys(task_id)
    return {"PartitionKey": keys.partition, "RowKey": keys.row}


def _property_value(value: object) -> object:
    # A plain int is sent as 32 bits; sizes and exit codes may need more.
    if isinstance(value, int) and not isinstance(value, bool):
        return EntityProperty(value, EdmType.INT64)
    return str(value) if isinstance(value, StrEnum) else value


def field_value(value: Any) -> Any:  # noqa: ANN401 - a property's type is the field's business
    if isinstance(value, EntityProperty):
        return value.value
    return None if value == "" else value
