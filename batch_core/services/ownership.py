"""Pools and jobs carry in their metadata for which app they were made: by its table, which is nobody else's.

So they are recognized when nothing names them any more: a table that was made again lists no job, and routes that were
changed name no pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from azure.batch.aio import BatchClient
from azure.batch.models import BatchJob, BatchJobState, BatchMetadataItem

from batch_core.sdk.paging import each_item
from batch_core.services.batch_reading import required_text

_MADE_FOR: Final = "batchdrop"


@dataclass(frozen=True, kw_only=True)
class AccountJob:
    """A job of the account; without a pool's id where it has a pool of its own."""

    job_id: str
    pool_id: str
    is_marked: bool
    #: It takes tasks: it is neither disabled nor ending.
    is_active: bool


def mark(app: str) -> BatchMetadataItem:
    """Return what marks a pool or a job of this app, which is named by the address of its table."""
    return BatchMetadataItem(name=_MADE_FOR, value=app)


def is_marked(metadata: Sequence[BatchMetadataItem] | None, app: str) -> bool:
    return any((item.name, item.value) == (_MADE_FOR, app) for item in metadata or ())


async def account_jobs(client: BatchClient, expression: str, app: str) -> list[AccountJob]:
    """List the jobs that a filter finds, those of others among them."""
    listed = client.list_jobs(filter=expression, select=["id", "state", "poolInfo", "metadata"])
    return [_account_job(job, app) async for job in each_item(listed)]


def _account_job(job: BatchJob, app: str) -> AccountJob:
    pool_id = (job.pool_info and job.pool_info.pool_id) or ""
    return AccountJob(
        job_id=required_text(job.id),
        pool_id=pool_id,
        is_marked=is_marked(job.metadata, app),
        is_active=job.state == BatchJobState.ACTIVE,
    )
