"""`batchdrop pools`, `summary` and `watch`: what is going on, at a glance."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.live import Live

from batch_core.cli.ages import age
from batch_core.cli.escaping import in_line
from batch_core.cli.pausing import paused_lines
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.task_list import row_of, table_of
from batch_core.cli.terminal import Block, Table, drawn
from batch_core.errors import ServiceError
from batch_core.http.summaries import summary_reply
from batch_core.http.task_lists import task_page_reply
from batch_core.listing import TaskQuery, list_tasks
from batch_core.summary import summarize

#: The newest tasks that are watched.
_NEWEST: Final = 15
#: What is never cut beside the long names of nodes.
_OF_NODE: Final = ("STATE", "SINCE", "TASKS", "KIND")
_UNKNOWN: Final = "unknown: no answer in time"


def pools(*, options: Options = DEFAULTS) -> int:
    """List pools: nodes, task slots, trouble, node-hours of today; and what their nodes do.

    For example:
        batchdrop pools --json | jq '{id, trouble}'

    """
    return run(options, _pools)


def summary(*, options: Options = DEFAULTS) -> int:
    """Say what is going on: open work and the oldest of it, what ended today, pools, timers.

    For example:
        batchdrop summary --json | jq .open

    """
    return run(options, _summary)


def watch(
    *,
    interval: Annotated[float, Parameter(help="Seconds between two looks.", metavar="SECONDS")] = 2.0,
    options: Options = DEFAULTS,
) -> int:
    """Watch counters, pools and the newest tasks until Ctrl-C.

    Without a terminal each look is printed below the one before.

    For example:
        batchdrop watch --interval 10

    """
    with suppress(KeyboardInterrupt):
        run(options, partial(_watch, interval=max(interval, 0.1)))
    return 0


async def _pools(session: Session) -> int:
    document = await _document(session)
    found, terminal = document["pools"], session.terminal
    if document["routes_problem"]:
        terminal.say(f"the routes, which name pools, cannot be read: {document['routes_problem']}")
        return 1
    if found is None:
        terminal.say("Batch has not answered in time")
        return 1
    if terminal.is_json:
        for pool in found:
            terminal.document(pool)
    else:
        terminal.show(_pool_table(found), *_troubles(found), *_node_tables(found))
    return 0


async def _summary(session: Session) -> int:
    document = await _document(session)
    if session.terminal.is_json:
        session.terminal.document(document)
    else:
        session.terminal.show(*_summary_blocks(document))
    return 0


async def _watch(session: Session, interval: float) -> None:
    terminal = session.terminal
    if not terminal.is_live:
        while True:
            await _look(session)
            await asyncio.sleep(interval)
    with Live(console=terminal.console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(drawn(await _watched(session)), refresh=True)
            await asyncio.sleep(interval)


async def _look(session: Session) -> None:
    """Print what is watched, once."""
    if session.terminal.is_json:
        session.terminal.document(await _document(session))
    else:
        session.terminal.show(*await _watched(session), "")


async def _watched(session: Session) -> list[Block]:
    document, newest = await asyncio.gather(_document(session), _newest(session))
    return [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", *_summary_blocks(document), "", newest]


async def _newest(session: Session) -> Block:
    """Return the newest tasks; while the table does not answer, why: the next look may see them."""
    try:
        page = await list_tasks(session.app, TaskQuery(limit=_NEWEST))
    except ServiceError as exc:
        return f"tasks       unknown: {in_line(str(exc))}"
    tasks: Any = task_page_reply(page).document["tasks"]
    now = datetime.now(UTC)
    return table_of([row_of(task, now) for task in tasks])


async def _document(session: Session) -> Any:  # noqa: ANN401 - a document
    return summary_reply(await summarize(session.app)).document


def _summary_blocks(document: Mapping[str, Any]) -> list[Block]:
    problem = document["routes_problem"]
    found = document["pools"]
    pools = [f"pools       {_UNKNOWN}"] if found is None else ["", _pool_table(found), *_troubles(found)]
    ticks = document["ticks"]
    paused = document["paused"]
    return [
        *([f"routes      cannot be read, files wait: {in_line(problem)}"] if problem else []),
        *(paused_lines(paused) if paused else []),
        *_open_lines(document["open"]),
        *_today_lines(document["today"]),
        *pools,
        *(["", _tick_table(ticks)] if ticks else []),
    ]


def _open_lines(work: Mapping[str, Any] | None) -> list[str]:
    if work is None:
        return [f"open        {_UNKNOWN}"]
    more = "" if work["is_all"] else " or more"
    lines = [f"open        {work['queued']} queued, {work['submitted']} submitted{more}"]
    if oldest := work["oldest"]:
        waited = age(datetime.now(UTC) - oldest["recorded_at"])
        why = f": {in_line(oldest['reason'])}" if oldest["reason"] else ""
        lines.append(f"oldest      {in_line(oldest['blob'])}, {oldest['state']} for {waited}{why}")
    return lines


def _today_lines(today: Mapping[str, Any] | None) -> list[str]:
    if today is None:
        return [f"today       {_UNKNOWN}"]
    counts = ", ".join(f"{number} {state}" for state, number in sorted(today["states"].items()))
    return [f"today       {counts or 'nothing has ended yet'}"]


def _pool_table(pools: list[Mapping[str, Any]]) -> Table:
    columns = ["POOL", "STATE", "NODES", "SLOTS", "RUNNING", "NODE-HOURS TODAY"]
    return Table(columns=columns, rows=[_pool_row(pool) for pool in pools], whole=frozenset({"POOL"}))


def _pool_row(pool: Mapping[str, Any]) -> list[str]:
    hours = f"{pool['node_hours_today']:.2f}"
    if pool["state"] is None:
        return [pool["id"], "-", "-", "-", "-", hours]
    scale = pool["scale"]
    bounds = f" ({scale['min']} to {scale['max']})" if scale else ""
    nodes = f"{pool['nodes']} of {pool['target']}{bounds}"
    slots = pool["nodes"] * pool["slots_per_node"]
    state = pool["state"] if pool["allocation_state"] == "steady" else f"{pool['state']}, {pool['allocation_state']}"
    return [pool["id"], str(state), nodes, str(slots), str(pool["running"]), hours]


def _troubles(pools: list[Mapping[str, Any]]) -> list[str]:
    return [f"{pool['id']}: {in_line(pool['trouble'])}" for pool in pools if pool["trouble"]]


def _node_tables(pools: list[Mapping[str, Any]]) -> list[Block]:
    now = datetime.now(UTC)
    rows = [
        [node["id"], pool["id"], str(node["state"]), age(now - node["since"]), str(node["tasks"]), _kind(node)]
        for pool in pools
        for node in pool["node_list"]
    ]
    if not rows:
        return []
    return ["", Table(columns=["NODE", "POOL", *_OF_NODE], rows=rows, whole=frozenset({"POOL", *_OF_NODE}))]


def _kind(node: Mapping[str, Any]) -> str:
    return ("dedicated" if node["is_dedicated"] else "spot") + ("" if node["is_open"] else ", takes no tasks")


def _tick_table(ticks: Mapping[str, Any]) -> Table:
    now = datetime.now(UTC)
    rows = [
        [name, f"{age(now - datetime.fromisoformat(tick['at']))} ago", _figures(tick.get("did") or {})]
        for name, tick in sorted(ticks.items())
    ]
    return Table(columns=["TIMER", "NOTED", "DID"], rows=rows)


def _figures(did: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in did.items()) or "nothing"
