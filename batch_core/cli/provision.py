"""Make what the app needs, and remove it again: containers, table and pool as in Microsoft's quickstart."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from azure.batch.models import BatchJob, BatchPoolCreateOptions, BatchVmImageReference, VirtualMachineConfiguration

from batch_core.app import App
from batch_core.config.settings import PoolSettings
from batch_core.errors import Conflict, Missing, ServiceError, translating
from batch_core.paging import each_item

type _Step = Callable[[], Awaitable[object]]

_POLLING_SECONDS = 2
#: The codes with which the services say so; any other conflict (one in deletion, a quota) is an error.
_EXISTS = frozenset({"ContainerAlreadyExists", "PoolExists", "TableAlreadyExists"})


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that `setup` makes and `teardown` removes."""

    description: str
    create: _Step
    delete: _Step


def resources(app: App) -> list[Resource]:
    """Return what the app needs beside its jobs."""
    settings, clients = app.settings, app.clients
    containers = [
        _container(app, "input", settings.input_container),
        _container(app, "output", settings.output_container),
    ]
    table = Resource(
        description=f"table {settings.table_name}",
        create=lambda: clients.tables.create_table(settings.table_name),
        delete=lambda: _delete_table(app),
    )
    pool = Resource(
        description=f"pool {settings.pool.id}",
        create=lambda: clients.batch.create_pool(pool_options(settings.pool)),
        delete=lambda: _delete_pool(app),
    )
    return [*containers, table, pool]


async def make(resource: Resource) -> bool:
    """Make it; False if it was there. Raises the `ServiceError` that fits, a resource in deletion among them."""
    try:
        with translating(f"creating {resource.description}"):
            await resource.create()
    except Conflict as exc:
        if exc.code not in _EXISTS:
            raise
        return False
    return True


async def remove(resource: Resource) -> bool:
    """Remove it; False if it was not there."""
    try:
        with translating(f"deleting {resource.description}"):
            await resource.delete()
    except Missing:
        return False
    return True


async def find_jobs(app: App) -> list[tuple[Resource, BatchJob]]:
    """List the jobs that this app made on its pool, as things to remove."""
    with translating("listing jobs"):
        prefix = f"{app.settings.job_prefix}-"
        listed = app.clients.batch.list_jobs(filter=f"startswith(id,'{prefix}')", select=["id", "poolInfo"])
        jobs = [
            job async for job in each_item(listed) if job.pool_info and job.pool_info.pool_id == app.settings.pool.id
        ]
    return [(_job(app, job.id), job) for job in jobs]


def pool_options(pool: PoolSettings) -> BatchPoolCreateOptions:
    publisher, offer, sku, version = pool.image.split(":")
    return BatchPoolCreateOptions(
        id=pool.id,
        vm_size=pool.vm_size,
        virtual_machine_configuration=VirtualMachineConfiguration(
            image_reference=BatchVmImageReference(publisher=publisher, offer=offer, sku=sku, version=version),
            node_agent_sku_id=pool.node_agent_sku,
        ),
        target_dedicated_nodes=pool.node_count,
        task_slots_per_node=pool.task_slots_per_node,
    )


def _container(app: App, role: str, name: str) -> Resource:
    client = app.clients.blobs.get_container_client(name)
    return Resource(
        description=f"{role} container {name}", create=client.create_container, delete=client.delete_container
    )


def _job(app: App, job_id: str) -> Resource:
    async def no_creation() -> None:
        raise ServiceError(f"creating job {job_id}", detail="jobs are made when tasks are submitted")

    async def delete() -> None:
        poller = await app.clients.batch.begin_delete_job(job_id, polling_interval=_POLLING_SECONDS)
        await poller.result()

    return Resource(description=f"job {job_id}", create=no_creation, delete=delete)


async def _delete_table(app: App) -> None:
    name = app.settings.table_name
    # The SDK says nothing about a table that is not there.
    if not [one async for one in app.clients.tables.query_tables("TableName eq @name", parameters={"name": name})]:
        raise Missing(f"deleting table {name}", status=404, code="TableNotFound", detail="there is no such table")
    await app.clients.tables.delete_table(name)


async def _delete_pool(app: App) -> None:
    poller = await app.clients.batch.begin_delete_pool(app.settings.pool.id, polling_interval=_POLLING_SECONDS)
    await poller.result()
