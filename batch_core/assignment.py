"""Which route takes a file, and with it the job that its task goes to.

A record's route and job are pinned before Batch is called, and stay as they are while Batch may have its task. When the
route says something else by the time a queued record is handed over, Batch is asked first: what it has stays; what it
does not have takes today's route, and the record says what took it before.

Another process that has not seen the change may still be adding the task as it was: to another job, perhaps, and with
outputs that the record would not know of. So the record is marked first, which keeps everybody from handing it over,
and takes today's route when no such call can be in flight any more.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from batch_core.app import App
from batch_core.config.routes import InputAfter, Inputs, Route, Routes, Stdout
from batch_core.errors import RoutesError
from batch_core.in_flight import IN_FLIGHT
from batch_core.naming import FILES_FOLDER, are_alike, folder_of, output_name
from batch_core.state.changes import Change, Stored
from batch_core.state.record import TaskRecord

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 16


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What becomes of queued records: those that have their route and job, and the others.

    `unroutable` are taken by no route, and Batch does not have them. `added` are those that Batch has already, and
    `waiting` those that must wait until no earlier submission can be in flight.
    """

    ready: list[Stored]
    routes: Mapping[str, Route]
    unroutable: list[Stored]
    added: list[Stored]
    waiting: list[Stored]


def why_ignored(app: App, blob_name: str) -> str | None:
    """Return why the routes leave a file alone, as a sentence; while they cannot be read, none is: None."""
    try:
        return app.routes().why_ignored(blob_name)
    except RoutesError:
        return None


def route_of(routes: Routes, record: TaskRecord) -> Route | None:
    """Return the route that takes a record today: the one that was chosen for it, else the first that matches."""
    if record.is_route_chosen:
        return routes.named(record.route or "")
    return routes.for_blob(record.blob)


async def pinned(app: App, record: TaskRecord, route: Route | None) -> TaskRecord:
    """Return the record with a route as it is today and with a job of it; without one, with neither.

    Its job stays if it is of the route's pool and priority. A route that was chosen stays named, though it may not
    exist any more.
    """
    if route is None:
        return replace(record, route=record.route if record.is_route_chosen else None, route_digest=None)
    today = await app.jobs.current(route.job_kind)
    is_known = record.route is not None and record.route_digest != route.digest
    return replace(
        record,
        job_id=record.job_id if record.job_id and are_alike(record.job_id, today) else today,
        route=route.name,
        route_digest=route.digest,
        route_before=f"{record.route} {record.route_digest}" if is_known else record.route_before,
        folder=folder_of(record.blob) if route.inputs is Inputs.FOLDER else None,
        files=output_name(record.blob, record.task_id, FILES_FOLDER) + "/" if route.outputs else None,
        is_uploaded=route.stdout is Stdout.UPLOAD,
        lost_output_retries=route.lost_output_retries,
        deletes_input=route.input_after is InputAfter.DELETE,
        rerouted_at=None,
    )


async def assigned(app: App, queued: Sequence[Stored]) -> Assignment:
    """Give queued records that have no route and job, or a route that has changed, those of today.

    Costs nothing for records whose route is as it was; for each other one a change in the table, and a look in Batch if
    it may have been handed over. Raises `RoutesError` while the routes cannot be read, and `ServiceError`.
    """
    routes = app.routes()
    today = {one.record.task_id: route_of(routes, one.record) for one in queued}
    found = {task_id: route for task_id, route in today.items() if route is not None}
    same, changed = _split(queued, lambda one: _is_as_pinned(one.record, today[one.record.task_id]))
    added = await _added_among(app, [one.record for one in changed if one.record.job_id])
    done, left = _split(changed, lambda one: one.record.task_id in added)
    waiting, settled = await _still_in_flight(app, left, today)
    taken, unroutable = _split(settled, lambda one: one.record.task_id in found)
    pinned_now = await _pin(app, taken, found)
    return Assignment(ready=same + pinned_now, routes=found, unroutable=unroutable, added=done, waiting=waiting)


def _split(records: Sequence[Stored], belongs: Callable[[Stored], bool]) -> tuple[list[Stored], list[Stored]]:
    """Return those that belong, and the others."""
    parts: tuple[list[Stored], list[Stored]] = ([], [])
    for one in records:
        parts[0 if belongs(one) else 1].append(one)
    return parts


def _is_as_pinned(record: TaskRecord, route: Route | None) -> bool:
    is_same = route is not None and record.route_digest == route.digest
    return bool(record.job_id) and is_same and record.rerouted_at is None


async def _still_in_flight(
    app: App, changed: Sequence[Stored], today: Mapping[str, Route | None]
) -> tuple[list[Stored], list[Stored]]:
    """Return those of the records whose tasks another process may be adding to the job that they name, and the others.

    They are marked when that is first seen; a mark counts whatever the routes say by now.
    """
    now = app.now()
    unmarked = [one for one in changed if one.record.job_id and one.record.rerouted_at is None]
    await app.table.update([Change(one, _marked(one.record, now, today)) for one in unmarked])
    # One without a job was never handed over.
    return _split(
        changed,
        lambda one: bool(one.record.job_id) and (one.record.rerouted_at or now) > now - IN_FLIGHT,
    )


def _marked(record: TaskRecord, now: datetime, today: Mapping[str, Route | None]) -> TaskRecord:
    change = "its route is another one now" if today[record.task_id] else "no route takes it any more"
    reason = f"{change}: that counts when no earlier submission can be in flight any more"
    return replace(record, rerouted_at=now, reason=reason, next_attempt_at=now + IN_FLIGHT)


async def _added_among(app: App, records: Sequence[TaskRecord]) -> set[str]:
    """Return the ids of those of the records whose tasks Batch has."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def has(record: TaskRecord) -> bool:
        async with at_once:
            return await app.batch.has_task(record.job_id, record.task_id)

    found = await asyncio.gather(*(has(record) for record in records))
    return {record.task_id for record, is_added in zip(records, found, strict=True) if is_added}


async def _pin(app: App, changed: Sequence[Stored], routes: Mapping[str, Route]) -> list[Stored]:
    """Pin records to today's routes; returns those that were not modified concurrently."""
    records = [await pinned(app, one.record, routes[one.record.task_id]) for one in changed]
    for record in records:
        if record.route_before:
            logger.info(
                "Task %s takes route %s as it is today; it was %s.", record.task_id, record.route, record.route_before
            )
    pairs = zip(changed, records, strict=True)
    return [one for one in await app.table.update([Change(*pair) for pair in pairs]) if one is not None]
