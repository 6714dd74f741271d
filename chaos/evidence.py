"""What can be seen from outside when all is quiet: container, table, Batch, outputs, the command's ledger."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from azure.batch.models import BatchTask, BatchTaskState
from azure.data.tables import TableEntity
from azure.storage.blob.aio import ContainerClient

from chaos.dropper import Dropped
from chaos.nodes import Nodes
from chaos.system import System

#: In every partition that is named after a day, these begin the rows of a record that is not final, and of an end that
#: is not announced yet.
_OPEN: Final = "open-"
_UNSENT: Final = "event-"
_AT_ONCE: Final = 16
_AS_THEY_ARE: Final = ("node_id", "failure_code", "stdout", "stderr", "route", "files", "retried_as")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A record of the state table."""

    task_id: str
    blob: str
    etag: str
    state: str
    reason: str = ""
    recorded_at: datetime
    detected_by: str = "trigger"
    node_id: str | None = None
    exit_code: int | None = None
    failure_code: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    route: str | None = None
    files: str | None = None
    retried_as: str | None = None

    @property
    def is_final(self) -> bool:
        return self.state not in {"queued", "submitted"}


@dataclass(frozen=True, kw_only=True)
class BatchHas:
    """A task that Batch has, where it ran last, and how often Batch itself sent it back to its queue."""

    task_id: str
    job_id: str
    node_id: str | None = None
    requeues: int = 0
    is_completed: bool = True
    failure_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is compared. `open_rows` are the task ids of the index of open work, `runs` those of the ledger."""

    dropped: Sequence[Dropped]
    current: Mapping[str, str]
    records: Sequence[Recorded]
    open_rows: frozenset[str] = frozenset()
    tasks: Sequence[BatchHas]
    runs: Sequence[str]
    outputs: Mapping[str, bytes] = field(repr=False)
    lost_nodes: frozenset[str] = frozenset()
    vanished_nodes: frozenset[str] = frozenset()
    nodes_left: frozenset[str] = frozenset()
    unexplained: Mapping[str, str] = field(default_factory=dict)
    #: Tasks that had completed when the output container was made again: what was copied by then is gone.
    lost_outputs: frozenset[str] = frozenset()
    #: The final states that were announced, by task id, as often as they were.
    announced: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: The state table was deleted and made again meanwhile.
    is_table_new: bool = False


async def gather(
    system: System,
    dropped: Sequence[Dropped],
    unexplained: Mapping[str, str],
    *,
    nodes: Nodes,
    lost_outputs: set[str],
    is_table_new: bool,
) -> Evidence:
    """Look at everything."""
    records, unfinished = await read_table(system)
    return Evidence(
        dropped=list(dropped),
        current={blob.name: blob.etag.strip('"') async for blob in system.inputs.list_blobs()},
        records=records,
        open_rows=unfinished.open_rows,
        tasks=await tasks_of(system),
        runs=_runs(system),
        outputs=await _contents(system.outputs),
        lost_nodes=frozenset(nodes.lost),
        vanished_nodes=frozenset(nodes.vanished),
        nodes_left=frozenset(node.id for node in await nodes.list()),
        unexplained=dict(unexplained),
        lost_outputs=frozenset(lost_outputs),
        announced=await _announced(system),
        is_table_new=is_table_new,
    )


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The task ids of the index of open work, and those whose end is not announced yet."""

    open_rows: frozenset[str]
    unsent: frozenset[str]


async def read_table(system: System) -> tuple[list[Recorded], Unfinished]:
    """Return the records, and what is left to do."""
    entities = [entity async for entity in system.table.list_entities()]
    tasks = [entity for entity in entities if entity["PartitionKey"].isdigit()]
    records = [_recorded(entity) for entity in tasks if entity["RowKey"][0].isdigit()]
    open_rows, unsent = (
        frozenset(entity["task_id"] for entity in tasks if entity["RowKey"].startswith(prefix))
        for prefix in (_OPEN, _UNSENT)
    )
    return records, Unfinished(open_rows=open_rows, unsent=unsent)


async def _announced(system: System) -> Mapping[str, Sequence[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    async for message in system.ends.receive_messages(messages_per_page=32, visibility_timeout=600):
        event = json.loads(base64.b64decode(message.content))
        found[event["data"]["task_id"]].append(event["data"]["state"])
    return found


def _recorded(entity: TableEntity) -> Recorded:
    exit_code = entity.get("exit_code")
    return Recorded(
        task_id=entity["task_id"],
        blob=entity["blob"],
        etag=entity["blob_etag"],
        state=entity["state"],
        reason=entity.get("reason", ""),
        recorded_at=entity["recorded_at"],
        detected_by=entity["detected_by"],
        exit_code=None if exit_code is None else int(getattr(exit_code, "value", exit_code)),
        **{name: entity.get(name) for name in _AS_THEY_ARE},
    )


async def tasks_of(system: System) -> list[BatchHas]:
    """Return every task that Batch has."""
    jobs = [job.id or "" async for job in system.batch.list_jobs()]
    return [_batch_has(job, task) for job in jobs async for task in system.batch.list_tasks(job)]


def _batch_has(job_id: str, task: BatchTask) -> BatchHas:
    execution, node = task.execution_info, task.node_info
    failure = execution.failure_info if execution else None
    return BatchHas(
        task_id=task.id or "",
        job_id=job_id,
        node_id=node.node_id if node else None,
        requeues=execution.requeue_count if execution else 0,
        is_completed=task.state == BatchTaskState.COMPLETED,
        failure_code=failure.code if failure else None,
    )


def _runs(system: System) -> list[str]:
    """Return the task id of each time that the command ran."""
    if not system.ledger.exists():
        return []
    return [line.split()[0] for line in system.ledger.read_text(encoding="utf-8").splitlines()]


async def _contents(container: ContainerClient) -> dict[str, bytes]:
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def content(name: str) -> bytes:
        async with at_once:
            return await (await container.download_blob(name)).readall()

    names = [name async for name in container.list_blob_names()]
    return dict(zip(names, await asyncio.gather(*map(content, names)), strict=True))
