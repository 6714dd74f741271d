"""What the app remembers beside the records: its jobs, how far each is collected, and how far the sweep has come."""

import logging
from dataclasses import dataclass, fields
from datetime import datetime

from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from batch_core.checked import checked
from batch_core.errors import Conflict, Missing, translating
from batch_core.paging import each_item
from batch_core.service_codes import CONDITION_FAILED
from batch_core.state.entities import JOBS, JobEntry, field_value, job_entity, property_values, readable, to_job

logger = logging.getLogger(__name__)

_SWEEP = {"PartitionKey": "sweep", "RowKey": "position"}


@dataclass(frozen=True, kw_only=True)
class SweepPosition:
    """How far the listing of the input container has come.

    `container` is the one that is listed. `swept_until`: every file that was last modified before it is recorded.
    `continuation` and `started_at` belong to a listing that is not at its end yet, `oldest_left` to the files that it
    had to leave for the next one. `long_name` is the name of a file that the host can write no receipt for, if the last
    complete listing had one; `long_name_so_far` belongs to the listing that is not at its end.
    """

    container: str | None = None
    swept_until: datetime | None = None
    continuation: str | None = None
    started_at: datetime | None = None
    oldest_left: datetime | None = None
    long_name: str | None = None
    long_name_so_far: str | None = None


class Ledger:
    """The ledger's entities in the table. All methods raise the `ServiceError` that fits."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def jobs(self) -> list[JobEntry]:
        """List the jobs that tasks were added to and that are not deleted yet."""
        with translating("listing jobs in the table"):
            entities = self._client.query_entities("PartitionKey eq @jobs", parameters={"jobs": JOBS})
            return readable([entity async for entity in each_item(entities)], to_job)

    async def add_job(self, job: JobEntry) -> None:
        """Note a job before it is made; one that is noted already stays as it is."""
        try:
            with translating(f"noting job {job.job_id}"):
                await self._client.create_entity(job_entity(job))
        except Conflict as exc:
            if exc.code not in CONDITION_FAILED:
                raise
            logger.debug("Job %s is noted already.", job.job_id)

    async def change_job(self, job: JobEntry) -> None:
        """Note what is known of a job now; what is None stays as it was."""
        with translating(f"noting job {job.job_id}"):
            await self._client.update_entity(job_entity(job), mode=UpdateMode.MERGE)

    async def send_back(self, job: JobEntry, moment: datetime) -> None:
        """Have what completed in a job since this moment collected again, and the job closed again after that."""
        values = {"watermark": min(moment, job.watermark or moment), "closed_at": ""}
        with translating(f"sending job {job.job_id} back to be collected"):
            key = {"PartitionKey": JOBS, "RowKey": job.job_id}
            await self._client.update_entity(key | values, mode=UpdateMode.MERGE)

    async def remove_job(self, job_id: str) -> None:
        """Forget a job that is deleted."""
        with translating(f"forgetting job {job_id}"):
            await self._client.delete_entity(JOBS, job_id)

    async def sweep_position(self) -> SweepPosition:
        """Return where the sweep is; the beginning if that is not noted, or cannot be read."""
        try:
            with translating("reading how far the sweep has come"):
                entity = await self._client.get_entity(_SWEEP["PartitionKey"], _SWEEP["RowKey"])
        except Missing:
            return SweepPosition()
        return next(iter(readable([entity], _to_position)), SweepPosition())

    async def save_sweep_position(self, position: SweepPosition) -> None:
        with translating("noting how far the sweep has come"):
            await self._client.upsert_entity(_SWEEP | property_values(vars(position)), mode=UpdateMode.REPLACE)


def _to_position(entity: TableEntity) -> SweepPosition:
    return checked(SweepPosition, {f.name: field_value(entity.get(f.name)) for f in fields(SweepPosition)})
