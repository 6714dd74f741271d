"""What the app's timers did last, in the words of the page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from batch_core.cli.ages import age
from batch_core.cli.columns import Table
from batch_core.state.record import TaskState

_TITLES: Final = {
    "collect_outputs": "Collect output",
    "sweep_files": "Find missed files",
    "reconcile_tasks": "Finish interrupted work",
    "scale_pools": "Scale pools",
    "tidy_jobs": "Tidy jobs",
}
#: What a number counts, by what a report calls it.
_COUNTED: Final = {
    "postponed": "collected later",
    "selected": "of a selection done",
    "waiting": "given a reason why they wait",
    "caught_up": "caught up with Batch",
    "paused": "kept by a pause",
    "not_due": "to be tried later",
    "sent_back": "put back into the queue",
    "asked_for": "nodes asked for",
    "closed": "nodes closed to tasks",
    "opened": "nodes opened to tasks",
    "removed": "nodes removed",
    "terminated": "jobs ended",
    "deleted": "jobs deleted",
    "submitted": "handed to Batch",
    f"handed_over_{TaskState.SUBMITTED}": "handed to Batch",
    f"handed_over_{TaskState.QUEUED}": "not accepted by Batch yet",
    f"handed_over_{TaskState.REJECTED}": "rejected",
    f"sent_on_{TaskState.SUBMITTED}": "sent on to another job",
    f"sent_on_{TaskState.QUEUED}": "sent on and not accepted yet",
    f"sent_on_{TaskState.REJECTED}": "sent on and rejected",
}
#: Files, of which one is no plural: what counts nodes and jobs is.
_NOUNS: Final = {"nodes ": "node ", "jobs ": "job "}


def timer_table(ticks: Mapping[str, Any], now: datetime) -> Table:
    """Return the table of timers: a tick that did nothing is written down every five minutes only."""
    names = [*(name for name in _TITLES if name in ticks), *sorted(ticks.keys() - _TITLES.keys())]
    rows = [[_TITLES.get(name, name), *_seen(ticks[name], now)] for name in names]
    return Table(columns=["TIMER", "LAST SEEN", "DID"], rows=rows, whole=frozenset({"TIMER", "LAST SEEN"}))


def _seen(tick: Mapping[str, Any], now: datetime) -> list[str]:
    done = ", ".join(_counted(what, number) for what, number in (tick.get("did") or {}).items())
    more = ", not done yet" if tick.get("is_complete") is False else ""
    return [f"{age(now - datetime.fromisoformat(tick['at']))} ago", (done or "nothing to do") + more]


def _counted(what: str, number: int) -> str:
    words = _COUNTED.get(what, what.replace("_", " "))
    if number == 1:
        words = next((one + words.removeprefix(many) for many, one in _NOUNS.items() if words.startswith(many)), words)
    return f"{number:,} {words}"
