"""How many nodes of a pool its open tasks need."""

import logging
from collections.abc import Iterable
from math import ceil

from batch_core.app import App
from batch_core.errors import Missing

logger = logging.getLogger(__name__)


async def needed_nodes(app: App, job_ids: Iterable[str], slots_per_node: int) -> int:
    """Return how many nodes the tasks of these jobs need that have not ended; one call for each job.

    Tasks are not divided among nodes: of those that take three slots one fits on a node with four. Those of one job are
    taken to be alike. What takes more slots than a node has can never run, and needs none. Raises the `ServiceError`
    that fits.
    """
    nodes = 0.0
    for job_id in job_ids:
        try:
            demand = await app.nodes.demand(job_id)
        except Missing:
            # It has just been deleted.
            continue
        if not demand.tasks:
            continue
        each = ceil(demand.slots / demand.tasks)
        if each > slots_per_node:
            logger.warning("Tasks of job %s take %d slots, and a node has %d.", job_id, each, slots_per_node)
            continue
        nodes += demand.tasks / (slots_per_node // each) if each else 0
    return ceil(nodes)
