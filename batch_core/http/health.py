"""What works and what does not, each part checked on its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from batch_core.announce import oldest_unsent
from batch_core.app import App
from batch_core.clocks import CLOCK_TOLERANCE, SHARED_KEY_LIMIT, ServiceClock
from batch_core.config.pools import Pool, settings_pool
from batch_core.config.routes import SETTINGS_ROUTE
from batch_core.errors import AppError, Missing, RoutesError, SettingsError
from batch_core.http.replies import Reply
from batch_core.naming import name_length
from batch_core.pool_changes import pool_change
from batch_core.pool_images import ImageNote, image_notes
from batch_core.pool_trouble import missing_pool, pool_trouble
from batch_core.services.batch_values import PoolStatus
from batch_core.services.supported_images import SupportedImage
from batch_core.state.record import TaskRecord, TaskState

_PATIENCE_SECONDS: Final = 10
#: An event that waits for longer has seen several reconciling ticks.
_LATE_EVENT: Final = timedelta(minutes=20)
#: Days that are looked at though they are not listed: most files are of today.
_RECENT_DAYS: Final = 3
#: Files that wait for Batch to accept them are counted up to this many.
_MOST_WAITING: Final = 100


@dataclass(frozen=True, kw_only=True)
class Check:
    """One part: whether it works, and a sentence about it."""

    name: str
    is_ok: bool
    detail: str


def health_reply(checks: Sequence[Check]) -> Reply:
    """Return 200 if all is well, else 503."""
    is_ok = all(check.is_ok for check in checks)
    document = {
        "status": "ok" if is_ok else "unhealthy",
        "checks": {check.name: {"ok": check.is_ok, "detail": check.detail} for check in checks},
    }
    return Reply(status=200 if is_ok else 503, document=document)


async def check_health_of(process_app: Callable[[], App]) -> list[Check]:
    """Check the app of this process; wrong settings are one failed check."""
    try:
        app = process_app()
    except SettingsError as exc:
        return [Check(name="settings", is_ok=False, detail="; ".join(exc.problems))]
    return await check_health(app)


async def check_health(app: App) -> list[Check]:
    """Ask every service once, all at the same time; a part that does not answer in 10 seconds counts as broken."""
    settings = Check(name="settings", is_ok=True, detail="; ".join(["all valid", *app.settings.warnings]))
    routes, pools = _check_routes(app)
    parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("input container", app.inputs.ping),
        ("output container", app.outputs.ping),
        ("table", app.table.ping),
    ]
    checks = await asyncio.gather(
        *(_check(name, ping) for name, ping in parts),
        _check_file_names(app),
        _check_batch(app, pools),
        _check_notes(app),
        _check_waiting(app),
        _check_pauses(app),
        _check_events(app),
    )
    # Last, because every reply carries its service's time, even one that refuses a request for its time.
    return [
        settings,
        *routes,
        *(check for part in checks for check in part),
        clocks_check(app.clients.clocks, app.now()),
    ]


async def _check(name: str, ping: Callable[[], Awaitable[None]]) -> list[Check]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await ping()
    except (AppError, TimeoutError) as exc:
        return [Check(name=name, is_ok=False, detail=_words(exc))]
    return [Check(name=name, is_ok=True, detail="answers")]


async def _check_file_names(app: App) -> list[Check]:
    """Report a name that stops the host, if the last sweep saw one; nothing otherwise."""
    if not app.settings.intake.is_scanned:
        return []
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            long_name = (await app.sweep_checkpoint.load()).long_name
    except (AppError, TimeoutError):
        # The table's own check says so.
        return []
    return [_long_name_check(long_name)] if long_name else []


def _long_name_check(name: str) -> Check:
    detail = (
        f"blob {name[:40] + '...'!r} has a name of {name_length(name)} characters in {name.count('/') + 1} parts, "
        "too long for the receipt that the host writes when it scans the container: Azure Functions stops on it; "
        "rename the file, or set BLOB_TRIGGER_SOURCE to EventGrid"
    )
    return Check(name="file names", is_ok=False, detail=detail)


def _check_routes(app: App) -> tuple[list[Check], Sequence[Pool]]:
    """Check the file of routes, if there is one; returns the pools that the routes name, too."""
    try:
        routes = app.routes()
    except RoutesError as exc:
        detail = "; ".join([*exc.problems, "files wait until it is mended"])
        return [Check(name="routes", is_ok=False, detail=detail)], [settings_pool(app.settings.pool)]
    own = [route.name for route in routes.routes if route.name != SETTINGS_ROUTE]
    detail = f"{app.settings.routes.file.name}: {', '.join(own)}; unmatched: {routes.unmatched}"
    return [Check(name="routes", is_ok=True, detail=detail)] if own else [], routes.pools


async def _check_batch(app: App, pools: Sequence[Pool]) -> list[Check]:
    async with asyncio.TaskGroup() as group:
        images = group.create_task(_supported_images(app))
        checks = [group.create_task(_check_pool(app, pool, images)) for pool in pools]
    found = [check.result() for check in checks]
    failed = next((one for one in found if one.answer is not None), None)
    answers = Check(name="batch", is_ok=failed is None, detail=(failed and failed.answer) or "answers")
    return [answers, *(one.check for one in found)]


@dataclass(frozen=True, kw_only=True)
class _PoolCheck:
    """A pool's check, and why Batch did not answer, if it did not."""

    check: Check
    answer: str | None = None


async def _supported_images(app: App) -> Sequence[SupportedImage]:
    """Return what Batch says of images; nothing if it does not say."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await app.images.all()
    except (AppError, TimeoutError):
        return ()


async def _check_pool(app: App, pool: Pool, images: asyncio.Task[Sequence[SupportedImage]]) -> _PoolCheck:
    name = "pool" if pool.id == app.settings.pool.id else f"pool {pool.id}"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            status = await app.batch.pool_status(pool.id)
    except Missing:
        return _PoolCheck(check=Check(name=name, is_ok=False, detail=missing_pool(pool.id, pool)))
    except (AppError, TimeoutError) as exc:
        return _PoolCheck(check=Check(name=name, is_ok=False, detail=_words(exc)), answer=_words(exc))
    listed = await images
    notes = image_notes(status.machine, listed, app.now()) if status.machine and listed else []
    change = pool_change(pool, status.machine, app.settings) if status.machine else None
    return _PoolCheck(check=_pool_check(status, name, notes, change, is_scaled=pool.scale is not None))


def _pool_check(
    pool: PoolStatus,
    name: str = "pool",
    notes: Sequence[ImageNote] = (),
    change: str | None = None,
    *,
    is_scaled: bool = False,
) -> Check:
    """Judge a pool; that it was changed since it was made is said, and is no trouble: it runs its tasks."""
    detail = f"{pool.id}: {pool.nodes} of {pool.target} nodes, {pool.state}, {pool.allocation_state}"
    trouble = pool_trouble(pool, is_scaled=is_scaled)
    is_ok = pool.is_active and trouble is None and not any(note.is_trouble for note in notes)
    said = [detail, *([trouble] if trouble else []), *(note.text for note in notes), *([change] if change else [])]
    return Check(name=name, is_ok=is_ok, detail="; ".join(said))


def clocks_check(clocks: Sequence[ServiceClock], now: datetime) -> Check:
    """Compare this machine's clock with those of the services that have answered so far."""
    ahead = {clock.service: difference for clock in clocks if (difference := clock.ahead(now)) is not None}
    apart = ", ".join(f"{_apart(difference)} {service}'s" for service, difference in ahead.items())
    detail = f"this machine's clock is {apart}" if apart else "no service has reported its time yet"
    is_ok = all(abs(difference) <= CLOCK_TOLERANCE for difference in ahead.values())
    advice = "" if is_ok else f": set it right; beyond {SHARED_KEY_LIMIT} minutes Azure refuses what a key signs"
    return Check(name="clock", is_ok=is_ok, detail=detail + advice)


def _apart(difference: timedelta) -> str:
    seconds = round(difference.total_seconds())
    # A header has whole seconds, and some time passes on its way.
    if abs(seconds) <= 1:
        return "within a second of"
    return f"{abs(seconds)} seconds {'ahead of' if seconds > 0 else 'behind'}"


async def _check_notes(app: App) -> list[Check]:
    """See that all open work is found by the ticks: its days and its jobs are listed in the table."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            check = await _notes_check(app)
            # A day may have been listed since the list was read: what is wrong is so twice.
            return [check if check.is_ok else await _notes_check(app)]
    except (AppError, TimeoutError) as exc:
        return [Check(name="open work", is_ok=False, detail=_words(exc))]


async def _notes_check(app: App) -> Check:
    listed, jobs = await app.table.days(), {job.job_id for job in await app.registry.jobs()}
    recent = {f"{app.now() - timedelta(days=ago):%Y%m%d}" for ago in range(_RECENT_DAYS)}
    problems: list[str] = []
    for day in sorted({*listed, *recent}, reverse=True):
        some = await app.table.some_open_work(day)
        if some and day not in listed:
            problems.append(f"day {day} has open tasks and is not listed: `batchdrop setup` lists it")
        lost = sorted({task.job_id for task in some if task.job_id and not task.is_obstructed} - jobs)
        problems += [
            f"job {job_id} has open tasks and is not listed: the next reconciling tick lists it" for job_id in lost
        ]
    return Check(name="open work", is_ok=not problems, detail="; ".join(problems) or "its days and jobs are listed")


async def _check_waiting(app: App) -> list[Check]:
    """Report files that Batch has not accepted for a long time; nothing if there are none."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            waiting = await _not_accepted(app)
    except (AppError, TimeoutError):
        # The table's own check says so.
        return []
    return [_waiting_check(waiting)] if waiting else []


async def _check_pauses(app: App) -> list[Check]:
    """Report what people have paused; nothing if they have not."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            paused = await app.pauses.current()
    except (AppError, TimeoutError):
        # The table's own check says so.
        return []
    pauses = [*([paused.intake] if paused.intake else []), *paused.routes.values()]
    return [Check(name="pauses", is_ok=True, detail="; ".join(one.sentence for one in pauses))] if pauses else []


async def _check_events(app: App) -> list[Check]:
    """Report whether the queue of events answers, and events that nothing has sent; nothing if nobody wants them."""
    if app.queue is None:
        return []
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            waiting = await app.queue.message_count()
            oldest = await oldest_unsent(app)
    except (AppError, TimeoutError) as exc:
        detail = f"{_words(exc)}; final states are written all the same, and their events wait until it answers"
        return [Check(name="events", is_ok=False, detail=detail)]
    detail = f"queue {app.queue.name} answers; about {waiting} messages wait in it"
    if oldest is not None and app.now() - oldest > _LATE_EVENT:
        why = app.just_ended.trouble or "the reconciling tick, which sends them, has not come to it"
        detail = f"{detail}; events have waited to be sent since {oldest:%Y-%m-%d %H:%M:%S} UTC: {why}"
        return [Check(name="events", is_ok=False, detail=detail)]
    return [Check(name="events", is_ok=True, detail=detail)]


async def _not_accepted(app: App) -> list[TaskRecord]:
    """Return up to 100 records, the oldest first, that Batch was asked to accept and that are queued for long."""
    old = app.now() - app.settings.intake.explain_after
    for day in await app.table.days():
        asked = [task for task in await app.table.some_open_work(day) if task.next_attempt_at and not task.is_verified]
        oldest = sorted((task for task in asked if task.since <= old), key=lambda task: task.since)[:_MOST_WAITING]
        # The index keeps the time of an attempt that has succeeded since: the records decide.
        records = [one.record for one in (await app.table.records_among(task.task_id for task in oldest)).values()]
        paused = await app.pauses.current()
        waiting = [
            record
            for record in records
            if record.state is TaskState.QUEUED and not record.obstacle and not paused.of(record.route)
        ]
        if waiting:
            return sorted(waiting, key=lambda record: record.recorded_at)
    return []


def _waiting_check(waiting: Sequence[TaskRecord]) -> Check:
    first = waiting[0]
    number = f"{len(waiting)} or more files have" if len(waiting) == _MOST_WAITING else f"{len(waiting)} file(s) have"
    detail = f"{number} waited for Batch to accept them, the first since {first.recorded_at:%Y-%m-%d %H:%M:%S} UTC"
    return Check(name="hand-over", is_ok=False, detail=f"{detail}: {first.reason or 'no reason is known'}")


def _words(exc: Exception) -> str:
    return str(exc) or f"no answer within {_PATIENCE_SECONDS} seconds"
