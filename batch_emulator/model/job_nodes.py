"""The status of job preparation and release tasks on the wire."""

import json
from typing import Final

from batch_emulator.model.schema import property_names
from batch_emulator.store.job_nodes import JobNodeRow
from batch_emulator.values.documents import Document
from batch_emulator.values.paths import task_root

#: What `$select` may name (SDK model BatchJobPreparationAndReleaseTaskStatus).
JOB_NODE_PROPERTIES: Final = property_names(
    "poolId nodeId nodeUrl jobPreparationTaskExecutionInfo jobReleaseTaskExecutionInfo"
)


def job_node_on_wire(row: JobNodeRow, job_id: str, job: Document, endpoint: str) -> Document:
    """Return what a job's own tasks did on a node, as the service shows it."""
    url = f"{endpoint}/pools/{row.pool_id}/nodes/{row.id}"
    status: Document = {"poolId": row.pool_id, "nodeId": row.id, "nodeUrl": url}
    preparation = _directory(url, job_id, job["jobPreparationTask"]["id"])
    status["jobPreparationTaskExecutionInfo"] = {**json.loads(row.preparation), **preparation}
    if row.release:
        release = _directory(url, job_id, job["jobReleaseTask"]["id"])
        status["jobReleaseTaskExecutionInfo"] = {**json.loads(row.release), **release}
    return status


def _directory(node_url: str, job_id: str, task_id: str) -> Document:
    root = task_root(job_id, task_id)
    return {"taskRootDirectory": root, "taskRootDirectoryUrl": f"{node_url}/files/{root}"}
