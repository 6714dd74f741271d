"""The jobs that the app added tasks to, and how far each has been collected."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict
from batch_core.sdk.paging import each_item
from batch_core.sdk.service_codes import CONDITION_FAILED
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
    #: The last day whose tasks it was chosen for, if that is later than its own.
    used_on: date | None = None
    #: False once Batch said that it takes no more tasks, or the app is about to terminate it.
    takes_tasks: bool
    #: What its tasks have in common; empty in entries of older releases: the settings' pool.
    pool_id: str = ""
    priority: int = 0
    #: When the app terminated it: no task is open in it any more.
    terminated_at: datetime | None = None
    #: Every task that completed before this moment has been collected; None: nothing is known yet.
    watermark: datetime | None = None
    etag: str = field(default="", compare=False, repr=False)

    @property
    def last_day(self) -> date:
        """The last day on which tasks were added to it."""
        return max(self.day, self.used_on or self.day)


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

    async def note_progress(self, job: JobEntry, watermark: datetime) -> bool:
        """Note how far a job is collected; False if it has changed since it was read: it may have been sent back."""
        return await self._merge_if_unchanged(job, {"watermark": watermark})

    async def note_use(self, job: JobEntry, day: date) -> bool:
        """Note that a job takes the tasks of a later day than its own; False if it has changed since it was read."""
        return await self._merge_if_unchanged(job, {"used_on": f"{day:%Y%m%d}"})

    async def note_full(self, job: JobEntry) -> None:
        """Note that a job takes no more tasks."""
        await self._merge(job, {"is_open": False})

    async def retire(self, job: JobEntry) -> bool:
        """Let a job take no more tasks; False if it has changed since it was read: somebody may use it today."""
        return await self._merge_if_unchanged(job, {"is_open": False})

    async def note_termination(self, job: JobEntry, moment: datetime) -> None:
        await self._merge(job, {"closed_at": moment})

    async def _merge(self, job: JobEntry, values: Entity) -> None:
        with translating(f"updating the entry of job {job.job_id}"):
            await self._client.update_entity(_key(job.job_id) | values, mode=UpdateMode.MERGE)

    async def _merge_if_unchanged(self, job: JobEntry, values: Entity) -> bool:
        try:
            with translating(f"updating the entry of job {job.job_id}"):
                await self._client.update_entity(
                    _key(job.job_id) | values,
                    mode=UpdateMode.MERGE,
                    etag=job.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
        except Conflict as exc:
            if exc.code not in CONDITION_FAILED:
                raise
            return False
        return True

    async def send_back(self, job: JobEntry, moment: datetime) -> None:
        """Have what completed in a job since this moment collected again, and the job terminated again after that."""
        await self._merge(job, {"watermark": min(moment, job.watermark or moment), "closed_at": ""})

    async def remove(self, job_id: str) -> None:
        """Forget a job that is deleted."""
        with translating(f"removing the entry of job {job_id}"):
            await self._client.delete_entity(JOBS, job_id)


# Live tables hold the properties' first names: `is_open` and `closed_at`.


def _key(job_id: str) -> Entity:
    return {"PartitionKey": JOBS, "RowKey": job_id}


def job_entity(job: JobEntry) -> Entity:
    return property_values(
        {
            **_key(job.job_id),
            "day": f"{job.day:%Y%m%d}",
            "number": job.number,
            "used_on": job.used_on and f"{job.used_on:%Y%m%d}",
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
        "day": _day(entity["day"]),
        "number": field_value(entity["number"]),
        "used_on": _day(entity["used_on"]) if entity.get("used_on") else None,
        "takes_tasks": entity["is_open"],
        "pool_id": entity.get("pool_id", ""),
        "priority": field_value(entity.get("priority", 0)),
        "terminated_at": field_value(entity.get("closed_at")),
        "watermark": field_value(entity.get("watermark")),
        "etag": str(entity.metadata["etag"]),
    }
    return checked(JobEntry, values)


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
