"""What `doctor` looks at: everything that health checks, and what only a person at a machine asks about.

Nothing that is looked at changes: what may be written is found out with a block that no blob is made of, an entity that
does not exist, a task that does not exist, and what is no message.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from batch_core.app import App
from batch_core.cli.deployment import Deployment, examine_deployment
from batch_core.cli.remedies import Finding, with_remedy
from batch_core.errors import AppError, Missing
from batch_core.http.health import Check, check_health
from batch_core.listing import TaskQuery, list_tasks
from batch_core.pool_images import image_notes
from batch_core.sdk.translation import translating
from batch_core.services.batch_values import PoolMachine
from batch_core.services.identities import app_identity, sign_in_problem
from batch_core.services.resource_manager import ResourceManager, endpoint_of
from batch_core.state.record import DetectedBy
from batch_core.summary import PoolSummary, Summary, summarize

#: The Python that Azure Functions runs the app with.
_PYTHON: Final = (3, 13)
_PATIENCE_SECONDS: Final = 10
#: What no file and no task is called.
_NAME: Final = "batchdrop-doctor"
#: A timer's heartbeat is noted every five minutes, of a timer that runs more often.
_SILENT: Final = timedelta(minutes=20)
#: Records that are asked how their files were found, and how many of them say something.
_NEWEST: Final = 50
_FEW: Final = 3


def python_finding(version: Sequence[int] = tuple(sys.version_info[:3])) -> Finding:
    """Judge the Python that this runs with."""
    says = ".".join(map(str, version))
    wanted = ".".join(map(str, _PYTHON))
    if tuple(version[:2]) >= _PYTHON:
        return Finding(name="python", is_ok=True, detail=f"{says}; Azure Functions runs {wanted}")
    remedy = f"make an environment of Python {wanted}, which Azure Functions runs"
    return Finding(name="python", is_ok=False, detail=f"{says} is too old", remedy=remedy)


async def examine(app: App, deployment: Deployment | None = None, pause: timedelta = _SILENT) -> list[Finding]:
    """Look at everything, at the same time as far as that goes. Raises nothing that a service does.

    `pause` is how long it may be between two runs of the timer that runs most often.
    """
    if not (app.settings.storage.connection_string and app.settings.batch.key) and (
        problem := await sign_in_problem(app.settings.identity_client_id)
    ):
        remedy = "sign in, in the tenant of the subscription: everything else is asked for after that"
        return [Finding(name="signed in", is_ok=False, detail=problem, remedy=remedy, command="az login")]
    health, permissions, summary, source = await asyncio.gather(
        check_health(app), _permissions(app), summarize(app), _event_source(app)
    )
    found = [_of_health(app, check) for check in health]
    pools = await _pools(app, summary.pools or ())
    deployed = await _deployed(app, deployment, summary.pools or ())
    everything = [*found, *permissions, *pools, _timers(summary, app.now(), pause), *source, *deployed]
    return [deployment.advised(one) if deployment else with_remedy(one) for one in everything]


async def _deployed(app: App, deployment: Deployment | None, pools: Sequence[PoolSummary]) -> list[Finding]:
    """Ask Azure Resource Manager; of an account on Azure whose deployment is not known, say that it is not asked."""
    if deployment is None:
        is_on_azure = endpoint_of(app.settings.batch.endpoint) is not None
        detail = "roles, events and quotas are not looked at without the variables that `azd env get-values` gives"
        return [Finding.note("deployment", detail)] if is_on_azure else []
    async with ResourceManager(deployment.manager, deployment.subscription, app_identity("")) as manager:
        return await examine_deployment(app, deployment, manager, pools)


def _of_health(app: App, check: Check) -> Finding:
    """Return what health has found; it knows right and wrong alone."""
    if check.name == "pauses":
        return Finding.note("paused", check.detail)
    is_unknown = check.name == "clock" and all(clock.ahead(app.now()) is None for clock in app.clients.clocks)
    return Finding(name=check.name, is_ok=None if is_unknown else check.is_ok, detail=check.detail)


async def _permissions(app: App) -> list[Finding]:
    table = app.clients.tables.get_table_client(app.settings.table_name)

    async def change_table() -> None:
        with translating("deleting an entity that does not exist"):
            await table.delete_entity(_NAME, _NAME)

    async def change_batch() -> None:
        with suppress(Missing):
            await app.batch.terminate_task(_NAME, _NAME)

    tried: dict[str, Callable[[], Awaitable[object]]] = {
        "input signature": lambda: app.inputs.sas_url(_NAME, timedelta(minutes=5)),
        "output writing": lambda: app.outputs.stage(_NAME, _NAME, b"x"),
        "table writing": change_table,
        "batch writing": change_batch,
    }
    if app.queue is not None:
        tried["event sending"] = app.queue.try_sending
    return list(await asyncio.gather(*(_permission(name, action) for name, action in tried.items())))


async def _permission(name: str, action: Callable[[], Awaitable[object]]) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await action()
    except (AppError, TimeoutError) as exc:
        detail = str(exc) or f"no answer within {_PATIENCE_SECONDS} seconds"
        return Finding(name=name, is_ok=False, detail=detail)
    return Finding(name=name, is_ok=True, detail="allowed")


async def _pools(app: App, pools: Sequence[PoolSummary]) -> list[Finding]:
    """Judge the images, sizes and quotas of pools; those that do not exist are health's business."""
    found: list[Finding] = []
    for pool in pools:
        if pool.status is None:
            continue
        if machine := pool.status.machine:
            found.append(await _machine(app, pool.pool.id, machine))
        found.append(_quota(pool.pool.id, pool.status.errors))
    return found


async def _machine(app: App, pool_id: str, machine: PoolMachine) -> Finding:
    name = f"image and size of {pool_id}"
    detail = f"{machine.image_reference or machine.image} on {machine.vm_size}"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            notes = image_notes(machine, await app.images.all(), app.now())
    except (AppError, TimeoutError) as exc:
        return Finding(name=name, is_ok=None, detail=f"{detail}; Batch does not say which images it supports: {exc}")
    is_ok = not any(note.is_trouble for note in notes)
    return Finding(name=name, is_ok=is_ok, detail="; ".join([detail, *(note.text for note in notes)]))


def _quota(pool_id: str, errors: Sequence[str]) -> Finding:
    name = f"core quota of {pool_id}"
    if about := [error for error in errors if "quota" in error.lower()]:
        return Finding(name=name, is_ok=False, detail="; ".join(about))
    # The quota itself is a property of the account that Azure Resource Manager has, and Batch's own API has not.
    return Finding(name=name, is_ok=True, detail="no resize was refused for it; its size is on the account's own page")


def _timers(summary: Summary, now: datetime, pause: timedelta) -> Finding:
    """Judge by what the timers noted last whether the app runs at all."""
    name = "functions"
    if summary.statistics is None:
        return Finding(name=name, is_ok=None, detail="whether they run is not known: the table does not answer")
    ticks = {name: datetime.fromisoformat(tick["at"]) for name, tick in summary.statistics.ticks.items()}
    if not ticks:
        return Finding(name=name, is_ok=False, detail="no timer has ever run")
    newest = max(ticks, key=lambda one: ticks[one])
    detail = f"{newest} ran at {ticks[newest]:%Y-%m-%d %H:%M:%S} UTC"
    return Finding(name=name, is_ok=now - ticks[newest] <= max(_SILENT, 2 * pause), detail=detail)


async def _event_source(app: App) -> list[Finding]:
    """Judge by how the newest files were found whether events come; nothing while the table does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            page = await list_tasks(app, TaskQuery(limit=_NEWEST))
    except (AppError, TimeoutError):
        return []
    by = Counter(record.detected_by for record in page.records)
    source = "LogsAndContainerScan" if app.settings.intake.is_scanned else "EventGrid"
    events, swept = by[DetectedBy.TRIGGER], by[DetectedBy.SWEEP]
    if not events and swept < _FEW:
        return [Finding(name="event source", is_ok=None, detail=f"{source}: too few files have come to judge by")]
    found = f"{events} of the newest files were found by the trigger, {swept} by the sweep"
    silence = "" if events else ": no event comes"
    return [Finding(name="event source", is_ok=bool(events), detail=f"{source}: {found}{silence}")]
