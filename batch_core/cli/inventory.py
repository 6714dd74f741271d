"""What exists of all that `setup` makes and the app fills: counted, so that the operator knows what would be deleted.

Counting is bounded: what is more than 5,000 is said to be "5,000 or more".
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from batch_core.app import App
from batch_core.cli import provision
from batch_core.cli.provision import Resource
from batch_core.errors import Missing
from batch_core.naming import OPEN_PREFIX
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.services.provisioning import task_counts
from batch_core.state.entities import field_value

#: A page of blobs; of entities, five pages
#: (https://learn.microsoft.com/rest/api/storageservices/list-blobs, https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination).
MOST_COUNTED = 5000


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
    input_container, output_container, table, pool = provision.resources(app)
    counted = [
        await _pool(app, pool),
        await _blobs(app, input_container, app.settings.input_container),
        await _blobs(app, output_container, app.settings.output_container),
        await _records(app, table),
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
        pool = await app.batch.pool_status(app.settings.pool.id)
    except Missing:
        return None
    # One that was just made has none yet.
    return Found(resource=resource, contents=_counted(max(pool.nodes, pool.target), "node"))


async def _blobs(app: App, resource: Resource, name: str) -> Found | None:
    async def count() -> int:
        pages = app.clients.blobs.get_container_client(name).list_blob_names(results_per_page=MOST_COUNTED).by_page()
        return len([blob async for blob in await anext(pages)])

    number = await _unless_missing(f"counting the blobs of container {name}", count)
    return None if number is None else Found(resource=resource, contents=_counted(number, "blob"))


async def _records(app: App, resource: Resource) -> Found | None:
    async def list_rows() -> list[str]:
        rows: list[str] = []
        # Records and their index are in partitions that are days.
        entities = app.clients.tables.get_table_client(app.settings.table_name).query_entities(
            "PartitionKey ge '0' and PartitionKey lt ':'", select=["RowKey"]
        )
        async for entity in each_item(entities):
            rows.append(field_value(entity["RowKey"]))
            if len(rows) == 2 * MOST_COUNTED:
                break
        return rows

    rows = await _unless_missing(f"counting the records of table {app.settings.table_name}", list_rows)
    if rows is None:
        return None
    still_open = len([row for row in rows if row.startswith(OPEN_PREFIX)])
    # The day's own entity is among them.
    records = len([row for row in rows if row[0].isdigit()])
    contents = _counted(records, "record") + (f", {still_open} of them open" if still_open else "")
    return Found(resource=resource, contents=contents, open_tasks=still_open)


async def _unless_missing[T](action: str, look: Callable[[], Awaitable[T]]) -> T | None:
    try:
        with translating(action):
            return await look()
    except Missing:
        return None


def _counted(number: int, noun: str) -> str:
    if number >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} {noun}s or more"
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
