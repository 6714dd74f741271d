"""Usage statistics on the wire: computed when they are asked for; CPU and disk are not measured."""

from batch_emulator.store.tasks import TaskRow
from batch_emulator.store.totals import TaskTotals
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import TICKS_PER_SECOND, format_duration
from batch_emulator.values.timestamps import from_wire


def statistics_on_wire(url: str, start: str, now: str, totals: TaskTotals) -> Document:
    """Return the lifetime statistics of a job or a job schedule that began at `start`.

    `url` is that of the resource.
    """
    return {
        **_usage(url, start, now, totals),
        "numSucceededTasks": str(totals.succeeded),
        "numFailedTasks": str(totals.failed),
        "numTaskRetries": str(totals.retries),
    }


def task_statistics_on_wire(row: TaskRow, url: str, now: str) -> Document:
    """Return the statistics of one task: from its last start on."""
    started = row.started or now
    ran = _seconds(started, row.ended or now) if row.started else 0.0
    totals = TaskTotals(succeeded=0, failed=0, retries=0, wall_clock=ran, waited=_seconds(row.created, started))
    return _usage(url, row.created, now, totals)


def _usage(url: str, start: str, now: str, totals: TaskTotals) -> Document:
    return {
        "url": f"{url}/stats",
        "startTime": start,
        "lastUpdateTime": now,
        "userCPUTime": "PT0S",
        "kernelCPUTime": "PT0S",
        "wallClockTime": _duration(totals.wall_clock),
        "readIOps": "0",
        "writeIOps": "0",
        "readIOGiB": 0.0,
        "writeIOGiB": 0.0,
        "waitTime": _duration(totals.waited),
    }


def _seconds(start: str, end: str) -> float:
    return (from_wire(end) - from_wire(start)).total_seconds()


def _duration(seconds: float) -> str:
    return format_duration(max(round(seconds * 1000), 0) * (TICKS_PER_SECOND // 1000))
