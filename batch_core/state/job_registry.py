"""The jobs that the app added tasks to, and how far each has been collected."""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime

from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.sdk.paging import each_item
from batch_core.sdk.translation import translating
from batch_core.state.entities import JOBS, Entity, field_value, property_values, readable
from batch_core.state.transactions import create_unless_exists

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobEntry:
    """A job that tasks were added to. Times are aware and UTC."""

    job_id: str
    day: date
    number: int
    #: False once Batch said that it takes no more tasks, or the app is about to terminate it.
    takes_tasks: bool
    #: What its tasks have in common; empty in entries of older releases: the settings' pool.
    pool_id: str = ""
    priority: int = 0
    #: When the app terminated it: no task is open in it any more.
    terminated_at: datetime | None = None
    #: Every task that completed before this moment has been collected; None: nothing is known yet.
    watermark: datetime | None = None


class JobRegistry:
    """The job entries of the table. All methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def jobs(self) -> list[JobEntry]:
        """List the jobs that tasks were added to and that are not deleted yet."""
        with translating("listing jobs in the table"):
            entities = self._client.query_entities("PartitionKey eq @jobs", parameters={"jobs": JOBS})
            return readable([entity async for entity in each_item(entities)], to_job)

    async def add(self, job: JobEntry) -> None:
        """Register a job before it is created in Batch; one that is registered already stays as it is."""
        if not await create_unless_exists(self._client, job_entity(job), f"registering job {job.job_id}"):
            logger.debug("Job %s is registered already.", job.job_id)

    async def update(self, job: JobEntry) -> None:
        """Write what is known of a job; what is None stays as it was."""
        with translating(f"updating the entry of job {job.job_id}"):
            await self._client.update_entity(job_entity(job), mode=UpdateMode.MERGE)

    async def send_back(self, job: JobEntry, moment: datetime) -> None:
        """Have what completed in a job since this moment collected again, and the job terminated again after that."""
        values = {"watermark": min(moment, job.watermark or moment), "closed_at": ""}
        with translating(f"sending job {job.job_id} back to be collected"):
            key = {"PartitionKey": JOBS, "RowKey": job.job_id}
            await self._client.update_entity(key | values, mode=UpdateMode.MERGE)

    async def remove(self, job_id: str) -> None:
        """Forget a job that is deleted."""
        with translating(f"removing the entry of job {job_id}"):
            await self._client.delete_entity(JOBS, job_id)


# Live tables hold the properties' first names: `is_open` and `closed_at`.


def job_entity(job: JobEntry) -> Entity:
    return property_values(
        {
            "PartitionKey": JOBS,
            "RowKey": job.job_id,
            "day": f"{job.day:%Y%m%d}",
            "number": job.number,
            "is_open": job.takes_tasks,
            "pool_id": job.pool_id,
            "priority": job.priority,
            "closed_at": job.terminated_at,
            "watermark": job.watermark,
        }
    )


def to_job(entity: TableEntity) -> JobEntry:
    values = {
        "job_id": entity["RowKey"],
        "day": datetime.strptime(entity["day"], "%Y%m%d").replace(tzinfo=UTC).date(),
        "number": field_value(entity["number"]),
        "takes_tasks": entity["is_open"],
        "pool_id": entity.get("pool_id", ""),
        "priority": field_value(entity.get("priority", 0)),
        "terminated_at": field_value(entity.get("closed_at")),
        "watermark": field_value(entity.get("watermark")),
    }
    return checked(JobEntry, values)
