"""What is going on, at a glance: open work and why it waits, what has ended, pools with their nodes, ticks.

Eight calls to the table at most, however many records there are: one for the statistics, one for the days with open
work, up to four for that (what is more is said to be more), one for the record that waits for longest, and now and then
one for what is paused. Batch is asked twice for each pool. A part that a service does not give in time is null, and the
others are there all the same.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batch_core.app import App
from batch_core.config.pools import Pool
from batch_core.config.routes import Routes
from batch_core.errors import AppError, Missing, RoutesError
from batch_core.pool_trouble import missing_pool, pool_trouble
from batch_core.services.batch_values import Node, PoolStatus
from batch_core.state.listing import Place
from batch_core.state.pauses import Paused
from batch_core.state.record import TaskRecord
from batch_core.state.statistics import Statistics

#: How long a part is waited for, in seconds.
_PATIENCE: Final = 5.0
#: Open tasks that are counted, in pages of the table.
_PER_PAGE: Final = 1000
_MOST_PAGES: Final = 4
_MOST_POOLS: Final = 10
#: Nodes of a pool that are listed one by one.
_MOST_NODES: Final = 200
_HOURS: Final = 2


@dataclass(frozen=True, kw_only=True)
class OpenWork:
    """Open tasks by route: those that wait to be handed over, and the others; `is_all`: none was left uncounted."""

    queued: dict[str, int] = field(default_factory=dict)
    submitted: dict[str, int] = field(default_factory=dict)
    is_all: bool = True
    oldest: TaskRecord | None = None


@dataclass(frozen=True, kw_only=True)
class PoolSummary:
    """A pool as it is: its status, or why there is none, what is wrong with it, and its first nodes."""

    pool: Pool
    status: PoolStatus | None = None
    trouble: str | None = None
    nodes: Sequence[Node] = ()
    node_hours_today: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is going on; a part is None that could not be had. Times are aware and UTC."""

    at: datetime
    open_work: OpenWork | None
    statistics: Statistics | None
    pools: Sequence[PoolSummary] | None
    paused: Paused | None = None
    #: The names of the routes, in their order; None while they cannot be read: then all files wait, and this says why.
    routes: Sequence[str] | None = None
    routes_problem: str | None = None


async def summarize(app: App) -> Summary:
    """Look at everything, most of it at the same time. Raises nothing that a service does."""
    routes, problem = _routes(app)
    pools = routes.pools[:_MOST_POOLS] if routes else ()
    statistics = await _or_none(app.statistics.read(app.now(), days=1, hours=_HOURS))
    seconds = statistics.node_seconds if statistics else {}
    open_work, looked_at, paused = await asyncio.gather(
        _or_none(_open_work(app)),
        _or_none(_all_of([_pool(app, pool, seconds.get(pool.id.lower(), {})) for pool in pools])),
        _or_none(app.pauses.current()),
    )
    return Summary(
        at=app.now(),
        open_work=open_work,
        statistics=statistics,
        pools=looked_at,
        paused=paused,
        routes=[route.name for route in routes.routes] if routes else None,
        routes_problem=problem,
    )


def _routes(app: App) -> tuple[Routes | None, str | None]:
    """Return the routes, or why they cannot be read."""
    try:
        return app.routes(), None
    except RoutesError as exc:
        return None, str(exc)


async def _or_none[T](part: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await part
    except (AppError, TimeoutError):
        return None


async def _all_of[T](parts: Sequence[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*parts))


async def _open_work(app: App) -> OpenWork:
    queued: defaultdict[str, int] = defaultdict(int)
    submitted: defaultdict[str, int] = defaultdict(int)
    first: tuple[datetime, str] | None = None
    places = [Place(day=day) for day in await app.table.days()]
    for _ in range(_MOST_PAGES):
        if not places:
            break
        page = await app.listing.open_tasks(places.pop(0), prefix="", since=None, most=_PER_PAGE)
        places[:0] = [page.next] if page.next else []
        for task in page.found:
            (queued if task.is_queued else submitted)[task.route or ""] += 1
        first = min([*([first] if first else []), *((task.since, task.task_id) for task in page.found)], default=None)
    oldest = (await app.table.get(first[1])).record if first else None
    return OpenWork(queued=dict(queued), submitted=dict(submitted), is_all=not places, oldest=oldest)


async def _pool(app: App, pool: Pool, node_seconds: dict[str, float]) -> PoolSummary:
    hours = node_seconds.get(f"{app.now():%Y%m%d}", 0.0) / 3600
    try:
        status = await app.batch.pool_status(pool.id)
    except Missing:
        return PoolSummary(pool=pool, trouble=missing_pool(pool.id, pool), node_hours_today=hours)
    except AppError as exc:
        return PoolSummary(pool=pool, trouble=f"it is not known: {exc}", node_hours_today=hours)
    nodes = await app.nodes.nodes(pool.id) if status.nodes or status.target else []
    trouble = pool_trouble(status, is_scaled=pool.scale is not None)
    return PoolSummary(pool=pool, status=status, trouble=trouble, nodes=nodes[:_MOST_NODES], node_hours_today=hours)
