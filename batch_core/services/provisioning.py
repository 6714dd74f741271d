"""What the operator makes, counts and removes: containers, pools and jobs. No function of the app makes these calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from azure.batch.aio import BatchClient
from azure.batch.models import (
    AutoUserSpecification,
    BatchApplicationPackageReference,
    BatchContainerConfiguration,
    BatchJob,
    BatchJobState,
    BatchPool,
    BatchPoolCreateOptions,
    BatchPoolState,
    BatchStartTask,
    BatchTaskSchedulingPolicy,
    BatchVmImageReference,
    ContainerType,
    ElevationLevel,
    NetworkConfiguration,
    UserIdentity,
    VirtualMachineConfiguration,
)
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from batch_core.config.pools import Pool, StartTask
from batch_core.sdk.paging import each_item
from batch_core.services.ownership import AccountJob, account_jobs, is_marked, mark
from batch_core.services.verbatim import completed

#: The pauses between looks whether something is gone: each is twice the one before.
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class TaskCounts:
    """How many tasks a job has that have not ended, and that have."""

    live: int
    completed: int


def pool_options(pool: Pool) -> BatchPoolCreateOptions:
    """Return what a pool is made of; the settings' one is like that of Microsoft's quickstart, of fixed size."""
    return completed(_modelled(pool), pool.verbatim)


def _modelled(pool: Pool) -> BatchPoolCreateOptions:
    dedicated, spot = pool.scale.split(pool.scale.min) if pool.scale else (pool.nodes, 0)
    is_ours = pool.formula is None
    return BatchPoolCreateOptions(
        id=pool.id,
        vm_size=pool.vm_size,
        virtual_machine_configuration=VirtualMachineConfiguration(
            image_reference=_image(pool.image),
            node_agent_sku_id=pool.node_agent_sku,
            container_configuration=_containers(pool.container_images),
        ),
        target_dedicated_nodes=dedicated if is_ours else None,
        target_low_priority_nodes=spot if is_ours and spot else None,
        enable_auto_scale=None if is_ours else True,
        auto_scale_formula=pool.formula,
        task_slots_per_node=pool.slots_per_node,
        task_scheduling_policy=BatchTaskSchedulingPolicy(node_fill_type=pool.fill),
        start_task=_start_task(pool.start_task) if pool.start_task else None,
        application_package_references=[_package(one) for one in pool.packages] or None,
        network_configuration=NetworkConfiguration(subnet_id=pool.subnet_id) if pool.subnet_id else None,
        enable_inter_node_communication=True if pool.talks_between_nodes else None,
    )


def _image(name: str) -> BatchVmImageReference:
    match name.lower().split("/")[1:2]:
        case ["subscriptions"]:
            return BatchVmImageReference(virtual_machine_image_id=name)
        case ["sharedgalleries"]:
            return BatchVmImageReference(shared_gallery_image_id=name)
        case ["communitygalleries"]:
            return BatchVmImageReference(community_gallery_image_id=name)
    publisher, offer, sku, version = name.split(":")
    return BatchVmImageReference(publisher=publisher, offer=offer, sku=sku, version=version)


def _containers(images: Sequence[str] | None) -> BatchContainerConfiguration | None:
    if images is None:
        return None
    return BatchContainerConfiguration(type=ContainerType.DOCKER_COMPATIBLE, container_image_names=list(images) or None)


def _start_task(task: StartTask) -> BatchStartTask:
    level = ElevationLevel.ADMIN if task.is_elevated else ElevationLevel.NON_ADMIN
    user = UserIdentity(auto_user=AutoUserSpecification(scope="pool", elevation_level=level))
    return BatchStartTask(command_line=task.command_line, user_identity=user, wait_for_success=True)


def _package(name: str) -> BatchApplicationPackageReference:
    application_id, _, version = name.partition(":")
    return BatchApplicationPackageReference(application_id=application_id, version=version or None)


async def create_pool(client: BatchClient, pool: Pool, *, app: str) -> None:
    """Make the pool, marked as the app's."""
    options = pool_options(pool)
    options.metadata = [*(options.metadata or []), mark(app)]
    await client.create_pool(options)


async def account_pools(client: BatchClient, *, app: str) -> dict[str, bool]:
    """List the pools of the account, each with whether it was made for an app."""
    listed = client.list_pools(select=["id", "metadata"])
    return {pool.id: is_marked(pool.metadata, app) async for pool in each_item(listed)}


async def delete_pool(client: BatchClient, pool_id: str) -> None:
    """Delete the pool and wait until it is gone."""
    await client.begin_delete_pool(pool_id)
    await _gone(lambda: client.get_pool(pool_id, select=["id", "state"]))


async def delete_job(client: BatchClient, job_id: str) -> None:
    """Delete the job and wait until it is gone."""
    await client.begin_delete_job(job_id)
    await _gone(lambda: client.get_job(job_id, select=["id", "state"]))


async def _gone(look: Callable[[], Awaitable[BatchPool | BatchJob]]) -> None:
    """Wait until what is being deleted is gone: a pool takes minutes on Azure, and no time on the emulator.

    The pollers of the SDK have pauses of one length, and take any error for the end.
    """
    pause = _FIRST_PAUSE_SECONDS
    with suppress(ResourceNotFoundError):
        while (await look()).state in {BatchPoolState.DELETING, BatchJobState.DELETING}:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def jobs_of(client: BatchClient, *, prefix: str, app: str) -> list[AccountJob]:
    """List the jobs whose ids begin with a prefix, those that have ended, too."""
    return await account_jobs(client, f"startswith(id,'{prefix}')", app)


async def task_counts(client: BatchClient, job_id: str) -> TaskCounts:
    counts = (await client.get_job_task_counts(job_id)).task_counts
    return TaskCounts(live=int(counts.active + counts.running), completed=int(counts.completed))


async def create_container(client: BlobServiceClient, name: str) -> None:
    await client.create_container(name)


async def delete_container(client: BlobServiceClient, name: str) -> None:
    await client.delete_container(name)


async def blob_count(client: BlobServiceClient, name: str, *, most: int) -> int:
    """Count the blobs of a container up to `most`, which is at most 5,000: one call."""
    pages = client.get_container_client(name).list_blob_names(results_per_page=most).by_page()
    return len([blob async for blob in await anext(pages)])
