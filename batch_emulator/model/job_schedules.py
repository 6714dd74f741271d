"""Job schedules on the wire."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from batch_emulator.errors import invalid_property
from batch_emulator.model.jobs import read_job_specification
from batch_emulator.model.schema import (
    display_name,
    duration,
    metadata,
    property_names,
    record,
    resource,
    resource_id,
    text,
)
from batch_emulator.store.job_schedules import JobScheduleRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import TICKS_PER_SECOND, parse_duration, seconds_of
from batch_emulator.values.timestamps import etag_of, from_wire, to_wire

#: What `$select` may name (SDK model BatchJobSchedule).
JOB_SCHEDULE_PROPERTIES: Final = property_names(
    "id displayName url eTag lastModified creationTime state stateTransitionTime previousState "
    "previousStateTransitionTime schedule jobSpecification executionInfo metadata stats"
)

#: The shortest startWindow and recurrenceInterval (SDK documentation of BatchJobScheduleConfiguration).
_SHORTEST: Final = 60 * TICKS_PER_SECOND


def _at_least_a_minute(name: str, value: object) -> str:
    result = duration(name, value)
    if parse_duration(result) < _SHORTEST:
        raise invalid_property(name, value, "At least one minute is expected")
    return str(result)


def _moment(name: str, value: object) -> str:
    """Read a time; it is stored in UTC."""
    try:
        return to_wire(from_wire(text(name, value)))
    except (ValueError, OverflowError) as exc:
        raise invalid_property(name, value, "A time such as 2026-11-23T08:00:00Z is expected") from exc


_times = record(
    {
        "doNotRunUntil": _moment,
        "doNotRunAfter": _moment,
        "startWindow": _at_least_a_minute,
        "recurrenceInterval": _at_least_a_minute,
    }
)


def _schedule(name: str, value: object) -> Document:
    schedule: Document = _times(name, value)
    if schedule.get("doNotRunAfter", "~") <= schedule.get("doNotRunUntil", ""):
        raise invalid_property(f"{name}.doNotRunAfter", schedule["doNotRunAfter"], "It is not after doNotRunUntil")
    return schedule


_CHANGEABLE: Final = {"schedule": _schedule, "jobSpecification": read_job_specification, "metadata": metadata}
_new = resource(
    {"id": resource_id, "displayName": display_name, **_CHANGEABLE}, frozenset({"id", "schedule", "jobSpecification"})
)
_patch = resource(_CHANGEABLE)
_replacement = resource(_CHANGEABLE, frozenset({"jobSpecification"}))


def read_job_schedule(body: Document) -> Document:
    """Return the stored properties of a new job schedule: validated, with the service's defaults."""
    return _without_empty_schedule(_new("", body))


def patched(stored: Document, body: Document) -> Document:
    """Return the stored properties after an update: what the body names is replaced as a whole."""
    changes = _patch("", body)
    return _without_empty_schedule({**stored, **{name: changes[name] for name in _CHANGEABLE if name in changes}})


def replaced(stored: Document, body: Document) -> Document:
    """Return the stored properties after a replacement: what can be changed and is not named goes."""
    changes = _replacement("", body)
    kept = {name: value for name, value in stored.items() if name not in _CHANGEABLE}
    return _without_empty_schedule({**kept, **{name: changes[name] for name in _CHANGEABLE if name in changes}})


def _without_empty_schedule(stored: Document) -> Document:
    """Leave out a schedule that says nothing, as the service does (recording `GetJobsFromSchedules`)."""
    return {name: value for name, value in stored.items() if (name, value) != ("schedule", {})}


def anchor_of(schedule: Mapping[str, str], default: str) -> str:
    """Return the time from which recurrences are counted."""
    return schedule.get("doNotRunUntil", default)


def span(schedule: Mapping[str, str], name: str) -> timedelta | None:
    """Return one of the schedule's durations, None for none or no limit."""
    seconds = seconds_of(schedule[name]) if name in schedule else None
    return None if seconds is None else timedelta(seconds=seconds)


def job_schedule_on_wire(row: JobScheduleRow, next_run: datetime | None, endpoint: str) -> Document:
    """Return a job schedule as the service shows it."""
    schedule: Document = {
        "id": row.id,
        "url": f"{endpoint}/jobschedules/{row.id}",
        "eTag": etag_of(row.modified),
        "lastModified": row.modified,
        "creationTime": row.created,
        "state": row.state,
        "stateTransitionTime": row.state_time,
    }
    if row.previous_state is not None:
        schedule["previousState"] = row.previous_state
        schedule["previousStateTransitionTime"] = row.previous_time
    return {**schedule, **json.loads(row.document), "executionInfo": _execution_info(row, next_run, endpoint)}


def _execution_info(row: JobScheduleRow, next_run: datetime | None, endpoint: str) -> Document:
    info: Document = {}
    if next_run is not None:
        info["nextRunTime"] = to_wire(next_run)
    if row.recent_job is not None:
        info["recentJob"] = {"url": f"{endpoint}/jobs/{row.recent_job}", "id": row.recent_job}
    if row.ended is not None:
        info["endTime"] = row.ended
    return info
