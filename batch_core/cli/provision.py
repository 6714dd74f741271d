"""Make what the app needs, and remove it again: containers, table and pool as in Microsoft's quickstart."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from batch_core.app import App
from batch_core.config.pools import Pool
from batch_core.errors import Conflict, Missing, ServiceError
from batch_core.naming import job_day
from batch_core.pool_changes import pool_change
from batch_core.pool_images import image_notes
from batch_core.sdk.translation import translating
from batch_core.services.batch_reading import pool_machine
from batch_core.services.provisioning import (
    account_pools,
    create_container,
    create_pool,
    delete_container,
    delete_job,
    delete_pool,
    jobs_of,
    pool_options,
)
from batch_core.services.storage_queue import StorageQueue
from batch_core.state.provisioning import create_table, delete_table

type _Step = Callable[[], Awaitable[object]]

#: The codes with which the services say so; any other conflict (one in deletion, a quota) is an error.
_EXISTS: Final = frozenset({"ContainerAlreadyExists", "PoolExists", "QueueAlreadyExists", "TableAlreadyExists"})


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that `setup` makes and `teardown` removes."""

    description: str
    create: _Step
    delete: _Step


def resources(app: App) -> list[Resource]:
    """Return what the app needs beside its jobs, the pools last, but for those that somebody else makes.

    Raises `RoutesError` while the routes, which name pools, cannot be read.
    """
    kept = storage(app)
    queues = [kept.queue] if kept.queue else []
    pools = [_pool(app, pool) for pool in app.routes().pools if not pool.is_existing]
    return [kept.input_container, kept.output_container, kept.table, *queues, *pools]


@dataclass(frozen=True, kw_only=True)
class StorageResources:
    """What is kept in Storage; no queue where nobody wants events."""

    input_container: Resource
    output_container: Resource
    table: Resource
    queue: Resource | None


def storage(app: App) -> StorageResources:
    """Return what the app needs in Storage."""
    settings, clients = app.settings, app.clients
    return StorageResources(
        input_container=_container(app, "input", settings.input_container),
        output_container=_container(app, "output", settings.output_container),
        table=Resource(
            description=f"table {settings.table_name}",
            create=lambda: create_table(clients.tables, settings.table_name),
            delete=lambda: delete_table(clients.tables, settings.table_name),
        ),
        queue=_queue(app.queue) if app.queue else None,
    )


async def pool_notes(app: App) -> list[str]:
    """Return what there is to say of the pools that `setup` makes: their images, and what was changed since.

    Nothing where Batch does not answer: what is wrong with it is said of the pools themselves. Raises `RoutesError`
    while the routes cannot be read.
    """
    made = [pool for pool in app.routes().pools if not pool.is_existing]
    return [*await _image_notes(app, made), *await _change_notes(app, made)]


async def _image_notes(app: App, pools: Sequence[Pool]) -> list[str]:
    try:
        images = await app.images.all()
    except ServiceError:
        return []
    machines = {pool.id: pool_machine(pool_options(pool)) for pool in pools}
    return [
        f"pool {pool_id}: {note.text}"
        for pool_id, machine in machines.items()
        if machine
        for note in image_notes(machine, images, app.now())
    ]


async def _change_notes(app: App, pools: Sequence[Pool]) -> list[str]:
    """Return how pools that exist differ from what they are described as: one call for each."""
    notes: list[str] = []
    for pool in pools:
        try:
            has = (await app.batch.pool_status(pool.id)).machine
        except Missing:
            continue
        except ServiceError:
            break
        if has and (change := pool_change(pool, has, app.settings)):
            notes.append(change)
    return notes


async def make(resource: Resource) -> bool:
    """Make it; False if it existed already. Raises the `ServiceError` that fits, a resource in deletion among them."""
    try:
        with translating(f"creating {resource.description}"):
            await resource.create()
    except Conflict as exc:
        if exc.code not in _EXISTS:
            raise
        return False
    return True


async def remove(resource: Resource) -> bool:
    """Remove it; False if it did not exist."""
    try:
        with translating(f"deleting {resource.description}"):
            await resource.delete()
    except Missing:
        return False
    return True


async def find_pools(app: App) -> list[Resource]:
    """Return the pools that `setup` made, as things to remove.

    Those of earlier routes or settings, which nothing names any more, are among them; pools that somebody else made are
    not, whatever names them. Raises the `ServiceError` that fits.
    """
    with translating("listing pools"):
        pools = await account_pools(app.clients.batch, app=app.mark)
    return [_made_pool(app, pool_id) for pool_id, is_marked in pools.items() if is_marked]


async def foreign_pools(app: App) -> list[str]:
    """Return the pools that `setup` would make, and that somebody else has made: `teardown` leaves them alone.

    Raises `RoutesError` while the routes cannot be read, and the `ServiceError` that fits.
    """
    with translating("listing pools"):
        pools = await account_pools(app.clients.batch, app=app.mark)
    foreign = {pool_id.lower() for pool_id, is_marked in pools.items() if not is_marked}
    return [pool.id for pool in app.routes().pools if not pool.is_existing and pool.id.lower() in foreign]


async def find_jobs(app: App) -> dict[str, Resource]:
    """List the jobs that this app made, by their ids, as things to remove.

    These are the jobs of its prefix that are marked as its own, that its table lists, or, of releases that marked none,
    whose ids it could have made and that are on a pool that it makes. Raises `RoutesError` while
    the routes cannot be read, which name pools, and the `ServiceError` that fits.
    """
    pools = {pool.id for pool in app.routes().pools if not pool.is_existing}
    try:
        registered = {job.job_id for job in await app.registry.jobs()}
    except Missing:
        registered = set()
    with translating("listing jobs"):
        jobs = await jobs_of(app.clients.batch, prefix=f"{app.settings.job_prefix}-", app=app.mark)
    ours = [
        job.job_id
        for job in jobs
        if job.is_marked or job.job_id in registered or (job.pool_id in pools and job_day(job.job_id))
    ]
    return {job_id: _job(app, job_id) for job_id in ours}


def _queue(queue: StorageQueue) -> Resource:
    return Resource(description=f"queue {queue.name}", create=queue.create, delete=queue.delete)


def _container(app: App, role: str, name: str) -> Resource:
    return Resource(
        description=f"{role} container {name}",
        create=lambda: create_container(app.clients.blobs, name),
        delete=lambda: delete_container(app.clients.blobs, name),
    )


def _pool(app: App, pool: Pool) -> Resource:
    return Resource(
        description=f"pool {pool.id}",
        create=lambda: create_pool(app.clients.batch, pool, app=app.mark),
        delete=lambda: delete_pool(app.clients.batch, pool.id),
    )


def _made_pool(app: App, pool_id: str) -> Resource:
    return Resource(
        description=f"pool {pool_id}",
        create=lambda: _never(f"creating pool {pool_id}", "it exists already"),
        delete=lambda: delete_pool(app.clients.batch, pool_id),
    )


def _job(app: App, job_id: str) -> Resource:
    return Resource(
        description=f"job {job_id}",
        create=lambda: _never(f"creating job {job_id}", "jobs are made when tasks are submitted"),
        delete=lambda: delete_job(app.clients.batch, job_id),
    )


async def _never(action: str, reason: str) -> None:
    raise ServiceError(action, detail=reason)
