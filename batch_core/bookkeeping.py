"""Statistics are kept by the way: what cannot be written now waits for the next time, and holds up nothing.

Cost: two calls to the table where something has ended since the last time, one where a tick did something; every five
minutes one by each process, and by the first of them another two at most and a look at each pool.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from batch_core import metrics
from batch_core.announce import announce
from batch_core.app import App
from batch_core.clocks import utc_text
from batch_core.errors import Missing, RoutesError, ServiceError
from batch_core.log_text import figures

logger = logging.getLogger(__name__)

#: A tick that did nothing is noted as often as this, so that it is seen that it still runs.
_HEARTBEAT: Final = timedelta(minutes=5)
#: Nodes are counted as often as this, by one process of the app; what they cost in a much longer pause is not known.
_SAMPLE: Final = timedelta(minutes=5)
#: What a tick only looks at.
_LOOKS: Final = frozenset({"jobs", "listed", "looked_at", "looked_up", "pools", "open", "oldest_waiting_seconds"})


async def after_closing(app: App) -> None:
    """Count and announce what has ended in this process since the last time. Raises nothing."""
    await _settle(app)
    await write_counts(app)
    await announce(app)


async def _settle(app: App) -> None:
    try:
        await app.table.settle()
    except ServiceError as exc:
        logger.info("What has been closed by this process is found out later: %s", exc)


async def write_counts(app: App) -> None:
    """Write what has ended in this process since the last time. Raises nothing."""
    counts = app.tally.take()
    if not counts:
        return
    try:
        await app.statistics.add(counts)
    except ServiceError as exc:
        app.tally.put_back(counts)
        logger.info("What has ended is counted later: %s", exc)


async def after_tick(app: App, function: str, report: Mapping[str, Any], seconds: float) -> None:
    """Count and announce what has ended, write what a tick did, and now and then what nodes cost. Raises nothing."""
    metrics.record("tick.duration", seconds, "s", function=function)
    await after_closing(app)
    try:
        await _note_tick(app, function, report, seconds)
        await _count_nodes(app)
    except (ServiceError, RoutesError) as exc:
        logger.info("The tick is not noted: %s", exc)


async def count_day(app: App, day: str) -> None:
    """Count the final records of a day whose work has all ended; one call for 1,000 of them.

    Raises the `ServiceError` that fits.
    """
    await app.statistics.set_day(day, await app.listing.final_states(day))


async def _note_tick(app: App, function: str, report: Mapping[str, Any], seconds: float) -> None:
    now, did, last = app.now(), _did(report), app.noted.ticks.get(function)
    if did or last is None or now - last >= _HEARTBEAT:
        document = {"at": utc_text(now), "seconds": round(seconds, 3), "did": did, "routes": _routes_digest(app)}
        await app.statistics.note_tick(function, {**document, "is_complete": report["is_complete"]})
        app.noted.ticks[function] = now


async def _count_nodes(app: App) -> None:
    """Add what nodes have cost since they were counted last, by whichever process of the app."""
    now, last = app.now(), app.noted.nodes
    if last is not None and now - last < _SAMPLE:
        return
    # First: a pool that cannot be looked at is not asked for by every tick.
    app.noted.nodes = now
    sampled = await app.statistics.nodes_counted()
    if sampled.at is not None and timedelta(0) <= now - sampled.at < _SAMPLE:
        app.noted.nodes = sampled.at
        return
    nodes = {pool.id: await _nodes_of(app, pool.id) for pool in app.routes().pools}
    elapsed = now - sampled.at if sampled.at is not None else timedelta(0)
    is_known = timedelta(0) < elapsed < 3 * _SAMPLE
    seconds = {pool_id: number * elapsed.total_seconds() for pool_id, number in nodes.items() if number and is_known}
    if not await app.statistics.count_nodes(sampled, seconds, now):
        # Another process has just counted them.
        return
    for pool_id, of_pool in seconds.items():
        metrics.count("nodes.time", of_pool, "s", pool=pool_id)
        logger.info("Nodes of pool %s: %s", pool_id, figures({"nodes": nodes[pool_id], "seconds": round(of_pool)}))


async def _nodes_of(app: App, pool_id: str) -> int:
    try:
        return (await app.batch.pool_status(pool_id)).nodes
    except Missing:
        return 0


def _routes_digest(app: App) -> str | None:
    """Return which routes this process goes by: a command line that would make tasks by others finds out."""
    try:
        return app.routes().digest
    except RoutesError:
        return None


def _did(report: Mapping[str, Any]) -> dict[str, int]:
    """Return what is not zero among the figures of a report, but for what was only looked at."""
    found: dict[str, int] = {}
    for name, value in report.items():
        if isinstance(value, Counter):
            found |= {key: number for key, number in value.items() if number}
        elif isinstance(value, list) and value:
            found[name] = len(value)
        elif type(value) is int and value and name not in _LOOKS:
            found[name] = value
    return found
