"""What exists of all that `setup` makes and the app fills: counted, so that the operator knows what would be deleted.

Counting is bounded: what is more than 5,000 is said to be "5,000 or more".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from batch_core.app import App
from batch_core.cli import provision
from batch_core.cli.counting import counted
from batch_core.cli.provision import Resource
from batch_core.errors import Missing
from batch_core.sdk.translation import translating
from batch_core.services.provisioning import blob_count, task_counts
from batch_core.state.provisioning import record_counts

#: A page of blobs; of entities, five pages
#: (https://learn.microsoft.com/rest/api/storageservices/list-blobs, https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination).
MOST_COUNTED: Final = 5000


@dataclass(frozen=True, kw_only=True)
class Found:
    """A resource that exists, and what is in it, in a few words."""

    resource: Resource
    contents: str
    #: Tasks in it whose results are not collected.
    open_tasks: int = 0

    def __str__(self) -> str:
        return f"{self.resource.description} ({self.contents})"


async def take_inventory(app: App) -> list[Found]:
    """Look at everything that there is, in the order in which it is to be removed; raises the fitting `ServiceError`.

    Jobs before the pool that they run on, the table last: it knows what there was.
    """
    kept = provision.storage(app)
    counted = [
        *[await _pool(app, pool) for pool in await provision.find_pools(app)],
        await _blobs(app, kept.input_container, app.settings.input_container),
        await _blobs(app, kept.output_container, app.settings.output_container),
        await _messages(app, kept.queue),
        await _records(app, kept.table),
    ]
    return [*await _jobs(app), *(found for found in counted if found)]


async def _jobs(app: App) -> list[Found]:
    found = [await _job(app, resource, job_id) for job_id, resource in (await provision.find_jobs(app)).items()]
    return [one for one in found if one]


async def _job(app: App, resource: Resource, job_id: str) -> Found | None:
    action = f"counting the tasks of job {job_id}"
    counts = await _unless_missing(action, lambda: task_counts(app.clients.batch, job_id))
    if counts is None:
        return None
    ended = f"{counts.completed} ended" if counts.completed else ""
    waiting = f"{counts.live} not ended" if counts.live else ""
    return Found(resource=resource, contents=", ".join(part for part in (waiting, ended) if part) or "no tasks")


async def _pool(app: App, resource: Resource) -> Found | None:
    try:
        pool = await app.batch.pool_status(resource.description.removeprefix("pool "))
    except Missing:
        return None
    # One that was just made has none yet.
    return Found(resource=resource, contents=_counted(max(pool.nodes, pool.target), "node"))


async def _blobs(app: App, resource: Resource, name: str) -> Found | None:
    action = f"counting the blobs of container {name}"
    number = await _unless_missing(action, lambda: blob_count(app.clients.blobs, name, most=MOST_COUNTED))
    return None if number is None else Found(resource=resource, contents=_counted(number, "blob"))


async def _messages(app: App, resource: Resource | None) -> Found | None:
    if app.queue is None or resource is None:
        return None
    number = await _unless_missing(f"counting the messages of queue {app.queue.name}", app.queue.message_count)
    return None if number is None else Found(resource=resource, contents=_counted(number, "message"))


async def _records(app: App, resource: Resource) -> Found | None:
    name = app.settings.table_name
    action = f"counting the records of table {name}"
    counts = await _unless_missing(action, lambda: record_counts(app.clients.tables, name, most=MOST_COUNTED))
    if counts is None:
        return None
    contents = _counted(counts.records, "record") + (f", {counts.open} of them open" if counts.open else "")
    return Found(resource=resource, contents=contents, open_tasks=counts.open)


async def _unless_missing[T](action: str, look: Callable[[], Awaitable[T]]) -> T | None:
    try:
        with translating(action):
            return await look()
    except Missing:
        return None


def _counted(number: int, noun: str) -> str:
    if number >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} {noun}s or more"
    return counted(number, noun)
