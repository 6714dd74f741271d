"""How records and the index of open work map to entities.

One table:

    PartitionKey   RowKey               what
    20261123       918955-report-3f…    the record of a task; the newest of a day come first
    20261123       open-918955-report…  its index entity, as long as the task is not final
    20261123       event-918955-report… its end, until that is announced: see `outbox`
    20261123       noted                exists while the day is listed: no record is written without it
    days           20261123             lists a day that may have open work
    jobs           files-pool-2026…-1   a job that tasks were added to, and how far it has been collected
    history        79738869             a day that has records: see `history`
    sweep          position             the sweep's checkpoint
    scaling        images               a pool that the app scales: nodes that are about to go
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from azure.data.tables import EdmType, EntityProperty, TableEntity

from batch_core.checked import checked
from batch_core.naming import table_keys
from batch_core.obstacle import Obstacle
from batch_core.state.changes import Stored
from batch_core.state.index import OpenTask, open_task
from batch_core.state.record import DetectedBy, Outcome, TaskRecord, TaskState

logger = logging.getLogger(__name__)

#: The longest text that is stored, in characters: reasons and messages come from outside, and a property may have
#: 64 KiB, an entity 1 MiB and a transaction 4 MiB
#: (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model).
MAX_TEXT_LENGTH: Final = 2000

#: What would mean nothing if it were cut. Storage bounds it: metadata has at most 8 KiB
#: (https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources).
_WHOLE: Final = frozenset({"blob_metadata"})

DAYS: Final = "days"
JOBS: Final = "jobs"
SCALING: Final = "scaling"
#: Between the records of a day, whose rows begin with a digit, and its index of open work.
NOTED: Final = "noted"

#: Live tables hold the first name of a field that was renamed.
_STORED_NAMES: Final = {"cancel_requested": "is_cancelled"}

type Entity = dict[str, Any]


def record_entity(record: TaskRecord) -> Entity:
    return _entity_key(record.task_id) | bounded_values({f.name: getattr(record, f.name) for f in fields(record)})


def open_entity(record: TaskRecord) -> Entity:
    """Return the index entity of a new record; a flag that is not set is left out."""
    values = {name: value for name, value in vars(open_task(record)).items() if value is not False}
    return open_key(record.task_id) | bounded_values(_stored_names(values))


def open_key(task_id: str) -> Entity:
    keys = table_keys(task_id)
    return {"PartitionKey": keys.partition, "RowKey": keys.open_row}


def day_entity(day: str) -> Entity:
    """Return what lists a day among those that may have open work."""
    return {"PartitionKey": DAYS, "RowKey": day}


def noted_entity(day: str) -> Entity:
    """Return what exists in a day that is listed."""
    return {"PartitionKey": day, "RowKey": NOTED}


def index_entity(task_id: str, changes: Mapping[str, object]) -> Entity:
    """Return what changed fields of `OpenTask` merge into an index entity."""
    return open_key(task_id) | _merged(_stored_names(changes))


def to_open_task(entity: TableEntity) -> OpenTask:
    found = {f.name: field_value(entity.get(_STORED_NAMES.get(f.name, f.name))) for f in fields(OpenTask)}
    return checked(OpenTask, {name: value for name, value in found.items() if value is not None})


def _stored_names(values: Mapping[str, object]) -> dict[str, object]:
    return {_STORED_NAMES.get(name, name): value for name, value in values.items()}


def outcome_entity(task_id: str, outcome: Outcome, closed_at: datetime) -> Entity:
    """Return what a final state merges into a record; `reason` is always set, so that no old one stays."""
    values = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    values |= {"reason": outcome.reason or "", "closed_at": closed_at}
    return _entity_key(task_id) | bounded_values(values)


def change_entity(before: TaskRecord, after: TaskRecord) -> Entity:
    """Return what a change merges into a record: the fields that differ."""
    old, new = vars(before), vars(after)
    return _entity_key(before.task_id) | _merged({name: value for name, value in new.items() if value != old[name]})


def reason_entity(task_id: str, reason: str) -> Entity:
    """Return what a reason alone merges into a record."""
    return _entity_key(task_id) | _merged({"reason": reason})


def _merged(changes: Mapping[str, Any]) -> Entity:
    """Return the values with None as an empty text: a merge cannot remove a property."""
    return bounded_values(changes) | {name: "" for name, value in changes.items() if value is None}


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


def bounded_values(values: Mapping[str, Any]) -> Entity:
    """Return the values as the table takes them, long texts cut."""
    return property_values(
        {name: bounded(value) if type(value) is str and name not in _WHOLE else value for name, value in values.items()}
    )


def property_values(values: Mapping[str, Any]) -> Entity:
    """Return the values as the table takes them: what is None is left out."""
    return {name: _property_value(value) for name, value in values.items() if value is not None}


def to_record(entity: TableEntity) -> Stored:
    found = {f.name: field_value(entity.get(f.name)) for f in fields(TaskRecord)}
    values = {name: value for name, value in found.items() if value is not None}
    values["state"] = TaskState(values["state"])
    values["detected_by"] = DetectedBy(values["detected_by"])
    if "obstacle" in values:
        values["obstacle"] = Obstacle(values["obstacle"])
    return Stored(record=checked(TaskRecord, values), etag=str(entity.metadata["etag"]))


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
