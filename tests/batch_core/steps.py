"""Steps that several tests take."""

import asyncio
from collections.abc import Iterable

from azure.batch.models import BatchTaskState

from batch_core.app import App
from batch_core.collect import collect
from batch_core.naming import BlobVersion
from batch_core.record import TaskRecord


async def dropped(app: App, name: str, content: bytes) -> BlobVersion:
    """Put a file into the input container."""
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, name)
    await blob.upload_blob(content, overwrite=True)
    return await app.inputs.version_of(name)


async def output(app: App, name: str) -> bytes:
    """Read a file of the output container."""
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, name)
    return await (await blob.download_blob()).readall()


async def completed(app: App, task_ids: Iterable[str]) -> None:
    """Wait until Batch has completed the tasks."""
    waiting = set(task_ids)
    async with asyncio.timeout(60):
        while waiting:
            for task_id in list(waiting):
                record = (await app.table.get(task_id)).record
                task = await app.clients.batch.get_task(record.job_id, task_id, select=["id", "state"])
                if task.state == BatchTaskState.COMPLETED:
                    waiting.discard(task_id)
            await asyncio.sleep(0.05)


async def collected(app: App, task_id: str) -> TaskRecord:
    """Collect until the task has its final state."""
    async with asyncio.timeout(60):
        while True:
            await collect(app)
            record = (await app.table.get(task_id)).record
            if record.state.is_final:
                return record
            await asyncio.sleep(0.05)
