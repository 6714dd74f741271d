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
from batch_core.cli.columns import Table
from batch_core.cli.pausing import paused_entries
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.task_list import row_of, table_of
from batch_core.cli.terminal import Block, Entry, drawn
from batch_core.cli.timers import timer_table
from batch_core.errors import ServiceError
from batch_core.http.summaries import summary_reply
from batch_core.http.task_lists import task_page_reply
from batch_core.listing import TaskQuery, list_tasks
from batch_core.summary import summarize

#: The newest tasks that are watched.
_NEWEST: Final = 15
#: What is never cut beside the long names of nodes.
_OF_NODE: Final = ("STATE", "SINCE", "TASKS", "KIND")
#: How the trouble of a pool begins of which Batch did not say how it is.
_NO_ANSWER: Final = "it is not known: "
_OF_TABLE: Final = "unknown: the table does not answer"
#: The parts of a summary that are null where a service did not answer.
_PARTS: Final = ("open", "today", "pools", "paused")


def pools(*, options: Options = DEFAULTS) -> int:
    """List pools: nodes, task slots, trouble, node-hours of today; and what their nodes do.

    The exit code is 1 if Batch does not answer for one of them.

    For example:
        batchdrop pools --json | jq '{id, trouble}'

    """
    return run(options, _pools)


def summary(*, options: Options = DEFAULTS) -> int:
    """Say what is going on: open work and the oldest of it, what ended today, pools, timers.

    The exit code is 1 if a part is not known because a service does not answer.

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
        terminal.say("Batch does not answer")
        return 1
    if terminal.is_json:
        for pool in found:
            terminal.document(pool)
    else:
        terminal.show(_pool_table(document), *_troubles(found), *_node_tables(found))
    return 1 if any(map(_is_unanswered, found)) else 0


async def _summary(session: Session) -> int:
    document = await _document(session)
    if session.terminal.is_json:
        session.terminal.document(document)
    else:
        session.terminal.show(*_summary_blocks(document))
    return 0 if _is_whole(document) else 1


def _is_whole(document: Mapping[str, Any]) -> bool:
    """Return whether every service has answered for every part."""
    return all(document[part] is not None for part in _PARTS) and not any(map(_is_unanswered, document["pools"]))


def _is_unanswered(pool: Mapping[str, Any]) -> bool:
    return pool["state"] is None and (pool["trouble"] or "").startswith(_NO_ANSWER)


async def _watch(session: Session, interval: float) -> None:
    terminal = session.terminal
    if not terminal.is_live:
        while True:
            await _look(session)
            await asyncio.sleep(interval)
    with Live(console=terminal.console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(drawn(await _watched(session), terminal.console.width), refresh=True)
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
        return Entry(about="tasks", text=f"unknown: {exc}")
    tasks: Any = task_page_reply(page).document["tasks"]
    now = datetime.now(UTC)
    return table_of([row_of(task, now) for task in tasks])


async def _document(session: Session) -> Any:  # noqa: ANN401 - a document
    return summary_reply(await summarize(session.app)).document


def _summary_blocks(document: Mapping[str, Any]) -> list[Block]:
    problem = document["routes_problem"]
    found = document["pools"]
    pools: list[Block] = ["", _pool_table(document), *_troubles(found)] if found is not None else []
    timers: list[Block] = ["", timer_table(document["ticks"], datetime.now(UTC))] if document["ticks"] else []
    paused = document["paused"]
    return [
        *([Entry(about="routes", text=f"cannot be read, files wait: {problem}")] if problem else []),
        *(paused_entries(paused) if paused is not None else [Entry(about="paused", text=_OF_TABLE)]),
        *_open_entries(document["open"]),
        _today_entry(document["today"]),
        *(pools or [Entry(about="pools", text="unknown: Batch does not answer")]),
        *timers,
    ]


def _open_entries(work: Mapping[str, Any] | None) -> list[Entry]:
    if work is None:
        return [Entry(about="open", text=_OF_TABLE)]
    more = "" if work["is_all"] else " or more"
    entries = [Entry(about="open", text=f"{work['queued']} queued, {work['submitted']} submitted{more}")]
    if oldest := work["oldest"]:
        waited = age(datetime.now(UTC) - oldest["recorded_at"])
        why = f": {oldest['reason']}" if oldest["reason"] else ""
        entries.append(Entry(about="oldest", text=f"{oldest['blob']}, {oldest['state']} for {waited}{why}"))
    return entries


def _today_entry(today: Mapping[str, Any] | None) -> Entry:
    if today is None:
        return Entry(about="today", text=_OF_TABLE)
    counts = ", ".join(f"{number} {state}" for state, number in sorted(today["states"].items()))
    return Entry(about="today", text=counts or "nothing has ended yet")


def _pool_table(document: Mapping[str, Any]) -> Table:
    # The hours are counted in the table.
    rows = [_pool_row(pool, is_counted=document["today"] is not None) for pool in document["pools"]]
    return Table(
        columns=["POOL", "STATE", "NODES", "SLOTS", "RUNNING", "NODE-HOURS TODAY"],
        rows=rows,
        whole=frozenset({"NODES", "SLOTS", "RUNNING"}),
        whole_or_left_out=frozenset({"NODE-HOURS TODAY"}),
        middle=frozenset({"POOL"}),
    )


def _pool_row(pool: Mapping[str, Any], *, is_counted: bool) -> list[str]:
    hours = f"{pool['node_hours_today']:.2f}" if is_counted else "-"
    if pool["state"] is None:
        return [pool["id"], "-", "-", "-", "-", hours]
    scale = pool["scale"]
    bounds = f" ({scale['min']} to {scale['max']})" if scale else ""
    nodes = f"{pool['nodes']} of {pool['target']}{bounds}"
    slots = pool["nodes"] * pool["slots_per_node"]
    state = pool["state"] if pool["allocation_state"] == "steady" else f"{pool['state']}, {pool['allocation_state']}"
    return [pool["id"], str(state), nodes, str(slots), str(pool["running"]), hours]


def _troubles(pools: list[Mapping[str, Any]]) -> list[Entry]:
    return [Entry(about=f"{pool['id']}: ", text=_trouble(pool), margin=0) for pool in pools if pool["trouble"]]


def _trouble(pool: Mapping[str, Any]) -> str:
    trouble = str(pool["trouble"])
    return f"its state is unknown: {trouble.removeprefix(_NO_ANSWER)}" if _is_unanswered(pool) else trouble


def _node_tables(pools: list[Mapping[str, Any]]) -> list[Block]:
    now = datetime.now(UTC)
    rows = [
        [node["id"], pool["id"], str(node["state"]), age(now - node["since"]), str(node["tasks"]), _kind(node)]
        for pool in pools
        for node in pool["node_list"]
    ]
    if not rows:
        return []
    middle = frozenset({"NODE", "POOL"})
    return ["", Table(columns=["NODE", "POOL", *_OF_NODE], rows=rows, whole=frozenset(_OF_NODE), middle=middle)]


def _kind(node: Mapping[str, Any]) -> str:
    return ("dedicated" if node["is_dedicated"] else "spot") + ("" if node["is_open"] else ", takes no tasks")
