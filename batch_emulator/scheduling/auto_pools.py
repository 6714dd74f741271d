"""Pools that the service makes for a job or a job schedule, and removes with it.

Rules: SDK documentation of `BatchAutoPoolSpecification` and `BatchPoolLifetimeOption`.
"""

import json
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from batch_emulator.model.pool_info import auto_pool
from batch_emulator.scheduling.pools import PoolLife
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.states import PoolLifetime, PoolState

#: How long the nodes of a pool whose lifetime is over are on their way out, in seconds: the service takes minutes for
#: it, and Microsoft's samples, which look every five seconds, read the output of tasks meanwhile.
LINGER: Final = 10.0


@dataclass(kw_only=True, eq=False)
class AutoPools:
    """Creates and removes automatic pools."""

    store: Store
    pools: PoolLife

    def pool_of(self, job: Document) -> str:
        """Return the id of the pool on which a new job runs, after creating it if it is to be the job's own."""
        specification = auto_pool(job)
        if specification is None:
            pool_id: str = job["poolInfo"]["poolId"]
            return pool_id
        return self.create(specification)

    def create(self, specification: Document) -> str:
        """Create a pool and return its id: the requested prefix and a GUID."""
        prefix = specification.get("autoPoolIdPrefix", "")
        guid = str(uuid4()).upper()
        pool_id = f"{prefix}_{guid}" if prefix else guid
        self.pools.create(pool_id, dict(specification["pool"]))
        return pool_id

    def serves(self, pool_id: str) -> bool:
        """Return whether a pool exists and is going to stay."""
        pool = self.store.pools.get(pool_id)
        return pool is not None and pool.state == PoolState.ACTIVE

    def release(self, pool_id: str, specification: Document) -> None:
        """Begin to remove a pool whose lifetime is over, unless it is to be kept."""
        pool = self.store.pools.get(pool_id)
        if pool is not None and pool.state == PoolState.ACTIVE and not specification["keepAlive"]:
            self.pools.delete(pool, linger=LINGER)

    def release_own(self, job: JobRow) -> None:
        """Release the pool that was made for this job alone: the job has ended, or moves elsewhere."""
        specification = auto_pool(json.loads(job.document))
        if specification is not None and specification["poolLifetimeOption"] == PoolLifetime.JOB:
            self.release(job.pool_id, specification)
