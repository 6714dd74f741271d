"""The summary as a document."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from batch_core.http.pauses import paused_document
from batch_core.http.replies import Reply
from batch_core.state.statistics import Statistics
from batch_core.state.tally import Minute
from batch_core.summary import OpenWork, PoolSummary, Summary

#: The minutes that are given one by one, the present one last.
_MINUTES: Final = 60


def summary_reply(summary: Summary) -> Reply:
    """Return the summary; a part is null that could not be had. It names no moment: with each its ETag would change."""
    document = {
        "open": _open_work(summary.open_work) if summary.open_work else None,
        "today": _today(summary.statistics, summary.at) if summary.statistics else None,
        "minutes": _minutes(summary.statistics, summary.at) if summary.statistics else None,
        "pools": None if summary.pools is None else [_pool(pool) for pool in summary.pools],
        "ticks": summary.statistics.ticks if summary.statistics else None,
        "paused": paused_document(summary.paused) if summary.paused else None,
        "routes": summary.routes,
        "routes_problem": summary.routes_problem,
    }
    return Reply(status=200, document=document)


def _open_work(work: OpenWork) -> dict[str, object]:
    oldest = work.oldest
    return {
        "queued": sum(work.queued.values()),
        "submitted": sum(work.submitted.values()),
        "is_all": work.is_all,
        "by_route": {
            route: {"queued": work.queued.get(route, 0), "submitted": work.submitted.get(route, 0)}
            for route in sorted({*work.queued, *work.submitted})
        },
        "oldest": oldest
        and {
            "task_id": oldest.task_id,
            "blob": oldest.blob,
            "state": oldest.state,
            "reason": oldest.reason,
            "recorded_at": oldest.recorded_at,
        },
    }


def _today(statistics: Statistics, at: datetime) -> dict[str, object]:
    routes = statistics.days.get(f"{at:%Y%m%d}", {})
    return {
        "day": f"{at:%Y-%m-%d}",
        "states": dict(sum(routes.values(), Counter())),
        "by_route": {route: dict(states) for route, states in sorted(routes.items())},
    }


def _minutes(statistics: Statistics, at: datetime) -> list[dict[str, object]]:
    moments = [at - timedelta(minutes=ago) for ago in reversed(range(_MINUTES))]
    return [_minute(moment, statistics.minutes.get(f"{moment:%Y%m%d%H%M}", Minute())) for moment in moments]


def _minute(moment: datetime, minute: Minute) -> dict[str, object]:
    average = round(minute.waited_seconds / minute.waited, 1) if minute.waited else None
    return {
        "minute": f"{moment:%H:%M}",
        "states": dict(minute.states),
        "wait_seconds": {"average": average, "longest": minute.longest_wait} if minute.waited else None,
    }


def _pool(one: PoolSummary) -> dict[str, object]:
    status, scale = one.status, one.pool.scale
    return {
        "id": one.pool.id,
        "trouble": one.trouble,
        "state": status and status.state,
        "allocation_state": status and status.allocation_state,
        "nodes": status and status.nodes,
        "target": status and status.target,
        "slots_per_node": status and status.slots_per_node,
        "running": sum(node.tasks for node in one.nodes),
        "errors": list(status.errors) if status else [],
        "scale": scale and {"min": scale.min, "max": scale.max},
        "node_hours_today": round(one.node_hours_today, 2),
        "node_list": [
            {
                "id": node.id,
                "state": node.state,
                "since": node.since,
                "is_dedicated": node.is_dedicated,
                "is_open": node.is_open,
                "tasks": node.tasks,
                "slots": node.slots,
            }
            for node in one.nodes
        ],
    }
