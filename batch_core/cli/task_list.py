"""`batchdrop list`: tasks, those of the newest files first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter

from batch_core.app import App
from batch_core.cli.ages import age
from batch_core.cli.columns import Table
from batch_core.cli.filters import Filters, option
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.errors import RoutesError
from batch_core.http.task_lists import MAX_LIMIT, task_page_reply
from batch_core.listing import TaskPage, TaskQuery, list_tasks
from batch_core.problems import instead

#: With --all: tasks that are listed at most, and pages that are read for them.
MOST: Final = 10_000
_MOST_PAGES: Final = 1_000
#: Without it: a page of a filtered list may be short, or empty, and go on.
_FEW_PAGES: Final = 20

_ALL: Final = f"List everything, up to {MOST:,} tasks."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ListFilters(Filters):
    """Which tasks are listed, as `GET /api/tasks` takes it."""

    waiting: Annotated[str, option("Has waited for longer than this: 10m, 2h, 1d.", "DURATION")] = ""
    limit: Annotated[str, Parameter(help=f"The most that is listed, 1 to {MAX_LIMIT}.", metavar="NUMBER")] = "50"


def list_command(
    *,
    filters: ListFilters = ListFilters(),
    is_all: Annotated[bool, Parameter(name="--all", negative="", help=_ALL, show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """List tasks, those of the newest files first.

    They are sorted by when their files were modified: a new attempt at an old file is beside the one before.

    For example:
        batchdrop list --state failed --day 2026-11-30
        batchdrop list --day today --waiting 10m
        batchdrop list --all --json | jq -r 'select(.exit_code == 3) | .task_id'

    """
    return run(options, partial(_list, query=filters.query(), is_all=is_all))


async def _list(session: Session, query: TaskQuery, *, is_all: bool) -> int:
    most, pages = (MOST, _MOST_PAGES) if is_all else (query.limit, _FEW_PAGES)
    place, rows, found = None, [], 0
    for _ in range(pages):
        page: TaskPage = await list_tasks(session.app, query, place)
        documents: Any = task_page_reply(page).document["tasks"]
        documents, place = documents[: most - found], page.next
        found += len(documents)
        if session.terminal.is_json:
            for document in documents:
                session.terminal.document(document)
        rows += [row_of(document, datetime.now(UTC)) for document in documents]
        if place is None or found >= most:
            break
    if rows and not session.terminal.is_json:
        session.terminal.show(table_of(rows))
    if place is not None:
        session.terminal.say(f"{found} listed; there may be more" + ("" if is_all else ": --all lists everything"))
    elif not found:
        session.terminal.say(f"no such task{_no_route(session.app, query.wanted.route)}")
    return 0


def _no_route(app: App, route: str | None) -> str:
    """Say that there is no such route: of one that is gone, there may still be records, and there are none."""
    try:
        names = [one.name for one in app.routes().routes]
    except RoutesError:
        return ""
    known = route is None or route in names
    return "" if known else f"; there is no route {route!r}: {instead(str(route), names)}"


def table_of(rows: list[list[str]]) -> Table:
    """Return the table of `row_of`'s rows."""
    return Table(
        columns=["STATE", "AGE", "TASK", "FILE", "WHY"],
        rows=rows,
        whole=frozenset({"STATE", "AGE"}),
        # A part of an id is nobody's id; the file's name finds the task as well.
        whole_or_left_out=frozenset({"TASK"}),
        middle=frozenset({"FILE"}),
    )


def row_of(task: Mapping[str, Any], now: datetime) -> list[str]:
    """Return a task of a list, as the HTTP API has it, as a row; why it is in its state comes last."""
    # Whether what is written down or what Batch says now counts has been decided there.
    why = task["reason"] or (task["live"] or {}).get("reason") or ""
    return [str(task["state"]), age(now - task["recorded_at"]), task["task_id"], task["blob"], why]
