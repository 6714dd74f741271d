"""What there is and what it does, in one answer that somebody can ask for every second: bounded in rows and in text."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from batch_emulator import __version__
from batch_emulator.call import Call
from batch_emulator.control.answers import answer
from batch_emulator.errors import invalid_parameter
from batch_emulator.service import BatchService
from batch_emulator.store.dump import redacted
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.newest import TASK_STATES, Newest, TaskSearch
from batch_emulator.store.nodes import NodeRow
from batch_emulator.store.pools import PoolRow
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document

_POOLS: Final = 20
_NODES: Final = 40
_TASKS_OF_NODE: Final = 4
_JOBS: Final = 50
_TASKS: Final = 100
_MOST_TASKS: Final = 500
_FAULTS: Final = 100
#: Characters of one text: error messages and rules may have a megabyte of them.
_TEXT: Final = 500

#: Some of the tasks on each node, by the node's number.
type _Running = dict[int, list[Document]]


async def show_overview(call: Call) -> web.StreamResponse:
    """Answer the newest pools, jobs and tasks, the rules and the quotas.

    `pools`, `jobs` and `tasks` are parts of ids to look for; `job`, `state` and `rows` narrow down and widen the tasks.
    """
    search, rows = _search(call), _rows(call)
    service = call.service
    store, query = service.store, call.query
    running = _running(service)
    document = {
        "version": __version__,
        "account": service.account.name,
        "pools": _listed(store.newest_pools(query.get("pools", ""), _POOLS), lambda row: _pool(service, row, running)),
        "jobs": _listed(store.newest_jobs(query.get("jobs", ""), _JOBS), lambda row: _job(service, row)),
        "tasks": _listed(store.newest_tasks(search, rows), lambda found: task_in_brief(*found)),
        "faults": _faults(service.controls.faults.on_wire()),
        "quotas": service.controls.quotas.limits.on_wire(),
    }
    return answer(call, document)


def task_in_brief(row: TaskRow, job_id: str) -> Document:
    """Return what a list says of a task."""
    failure = json.loads(row.failure) if row.failure else {}
    return {
        "jobId": job_id,
        "id": row.id,
        "state": row.state,
        "result": row.result,
        "exitCode": row.exit_code,
        "failure": failure.get("code"),
        "nodeId": row.node_id,
        "created": row.created,
        "started": row.started,
        "ended": row.ended,
    }


def _search(call: Call) -> TaskSearch:
    state = call.query.get("state")
    if state is not None and state not in TASK_STATES:
        raise invalid_parameter("state", state, f"One of {', '.join(TASK_STATES)} is expected")
    return TaskSearch(part=call.query.get("tasks", ""), job_id=call.query.get("job"), state=state)


def _rows(call: Call) -> int:
    given = call.query.get("rows", str(_TASKS))
    if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) <= _MOST_TASKS):
        raise invalid_parameter("rows", given, f"A number up to {_MOST_TASKS} is expected")
    return int(given)


def _faults(rules: list[Document]) -> Document:
    shown = [_shown(rule) for rule in rules[:_FAULTS]]
    # As it is, whatever it looks like: it removes the rule.
    rows = [{**one, "id": rule["id"]} for one, rule in zip(shown, rules, strict=False)]
    return {"total": len(rules), "rows": rows}


def _listed[Row](found: Newest[Row], show: Callable[[Row], Document]) -> Document:
    return {"total": found.total, "fitting": found.fitting, "rows": [show(row) for row in found.rows]}


def _running(service: BatchService) -> _Running:
    running: _Running = defaultdict(list)
    for run in service.runs.all():
        for node in run.nodes:
            if len(on_node := running[node.no]) < _TASKS_OF_NODE:
                on_node.append({"jobId": run.job.id, "id": run.task.id})
    return running


def _pool(service: BatchService, row: PoolRow, running: _Running) -> Document:
    document, nodes = json.loads(row.document), service.store.nodes.of_pool(row.no)
    return {
        "id": row.id,
        "displayName": document.get("displayName"),
        "state": row.state,
        "allocationState": row.allocation_state,
        "vmSize": document["vmSize"],
        "taskSlotsPerNode": document["taskSlotsPerNode"],
        "targetDedicatedNodes": document.get("targetDedicatedNodes"),
        "targetLowPriorityNodes": document.get("targetLowPriorityNodes"),
        "enableAutoScale": document["enableAutoScale"],
        "resizeErrors": _shown(json.loads(row.resize_errors or "[]")),
        "states": Counter(node.state for node in nodes),
        "nodes": [_node(service, node, running) for node in nodes[:_NODES]],
    }


def _node(service: BatchService, row: NodeRow, running: _Running) -> Document:
    tasks, slots = service.pools.load(row)
    return {
        "id": row.id,
        "state": row.state,
        "schedulingState": row.scheduling,
        "isDedicated": bool(row.dedicated),
        "since": row.state_time,
        "errors": _shown(json.loads(row.errors or "[]")),
        "slots": slots,
        "running": tasks,
        "tasks": running.get(row.no, []),
    }


def _job(service: BatchService, row: JobRow) -> Document:
    return {
        "id": row.id,
        "displayName": json.loads(row.document).get("displayName"),
        "state": row.state,
        "poolId": row.pool_id,
        "priority": row.priority,
        "created": row.created,
        "ended": row.ended,
        "tasks": service.store.tasks.counts(row.no).tasks,
    }


def _shown(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value without secrets, whose texts are cut where they are long."""
    return redacted(value, _TEXT)
