"""Steps that several tests take."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from azure.batch.models import BatchTaskState
from azure.batch.models._models import BatchJobTerminateOptions
from azure.core.exceptions import ResourceNotFoundError

from batch_core import submit as submission
from batch_core.app import App, utc_now
from batch_core.assignment import pinned
from batch_core.cancel import cancel
from batch_core.clocks import ServiceClock
from batch_core.collect import collect
from batch_core.config.routes import JobKind, settings_route
from batch_core.config.settings import RoutesSettings
from batch_core.jobs import Jobs
from batch_core.naming import BlobVersion
from batch_core.services.batch_values import NewTask
from batch_core.state.changes import Stored
from batch_core.state.record import DetectedBy, TaskRecord
from batch_core.submit import submit
from batch_core.task import batch_task

TRIGGER = DetectedBy.TRIGGER


def later(app: App, **difference: float) -> App:
    """Return the app as it is some time from now: only its clock differs."""

    def now() -> datetime:
        return utc_now() + timedelta(**difference)

    jobs = Jobs(
        app.registry, app.batch, prefix=app.settings.job_prefix, default=JobKind(pool_id=app.settings.pool.id), now=now
    )
    return replace(app, now=now, jobs=jobs)


def passed(app: App, **difference: float) -> App:
    """Return the app when so much time has passed: by its own clock, and as it hears from Storage's."""

    class InStep(ServiceClock):
        def ahead(self, now: datetime) -> timedelta:
            return timedelta(0)

    clients = replace(app.clients, clocks=(InStep(service="Blob Storage"), *app.clients.clocks[1:]))
    return replace(later(app, **difference), clients=clients)


def with_routes(app: App, file: Path, text: str) -> App:
    """Return the app with a file of routes, which it reads again whenever that changes."""
    file.write_text(text)
    return replace(app, settings=replace(app.settings, routes=RoutesSettings(file=file, is_required=True)))


def with_command(app: App, command_line: str) -> App:
    return replace(app, settings=replace(app.settings, task=replace(app.settings.task, command_line=command_line)))


async def dropped(app: App, name: str, content: bytes = b"text") -> BlobVersion:
    """Put a file into the input container."""
    blob = app.clients.blobs.get_blob_client(app.settings.input_container, name)
    await blob.upload_blob(content, overwrite=True)
    return await app.inputs.version_of(name)


async def submitted(app: App, name: str = "a.txt", content: bytes = b"text") -> TaskRecord:
    """Put a file into the input container and submit it as the trigger does."""
    version = await dropped(app, name, content)
    return (await submit(app, [version], detected_by=TRIGGER))[0].record


async def new_record(app: App, version: BlobVersion, attempt: int = 1) -> TaskRecord:
    """Return the record that a submission would write, on the settings' route."""
    return await pinned(app, submission.new_record(app, version, TRIGGER, attempt), settings_route(app.settings))


async def task_of(app: App, record: TaskRecord) -> NewTask:
    """Return the task that Batch would be given for a record on the settings' route."""
    return await batch_task(record, settings_route(app.settings), app.settings.task, app.inputs, app.outputs)


async def recorded_only(app: App, version: BlobVersion) -> Stored:
    """Leave behind what an app leaves that stopped right after the record was written."""
    (stored,) = await app.table.insert([await new_record(app, version)])
    return stored


async def accepted_only(app: App, version: BlobVersion) -> Stored:
    """Leave behind what an app leaves that stopped right after Batch accepted the task."""
    stored = await recorded_only(app, version)
    await app.jobs.make(stored.record.job_id)
    await app.batch.add_tasks(stored.record.job_id, [await task_of(app, stored.record)])
    return stored


async def record_of(app: App, task_id: str) -> TaskRecord:
    return (await app.table.get(task_id)).record


async def output(app: App, name: str) -> bytes:
    """Read a file of the output container."""
    blob = app.clients.blobs.get_blob_client(app.settings.output_container, name)
    return await (await blob.download_blob()).readall()


async def outputs(app: App) -> list[str]:
    """List the names in the output container."""
    container = app.clients.blobs.get_container_client(app.settings.output_container)
    return [name async for name in container.list_blob_names()]


async def tasks_of(app: App) -> list[tuple[str, str]]:
    """List every task of the app's pool, with its job."""
    jobs = [job.id async for job in app.clients.batch.list_jobs() if job.pool_info.pool_id == app.settings.pool.id]
    return [(job, task.id) for job in jobs async for task in app.clients.batch.list_tasks(job, select=["id"])]


async def in_state(app: App, task_ids: Iterable[str], state: BatchTaskState) -> None:
    """Wait until Batch says this state of the tasks."""
    waiting = set(task_ids)
    async with asyncio.timeout(60):
        while waiting:
            for task_id in list(waiting):
                record = await record_of(app, task_id)
                task = await app.clients.batch.get_task(record.job_id, task_id, select=["id", "state"])
                if task.state == state:
                    waiting.discard(task_id)
            await asyncio.sleep(0.05)


async def completed(app: App, task_ids: Iterable[str]) -> None:
    """Wait until Batch has completed the tasks."""
    await in_state(app, task_ids, BatchTaskState.COMPLETED)


async def running(app: App, task_id: str) -> None:
    """Wait until the task's command runs."""
    await in_state(app, [task_id], BatchTaskState.RUNNING)


async def collected(app: App, task_id: str) -> TaskRecord:
    """Collect until the task has its final state; while Batch has not completed it, there is nothing to collect."""
    async with asyncio.timeout(60):
        while True:
            if not await _is_under_way(app, await record_of(app, task_id)):
                await collect(app)
            record = await record_of(app, task_id)
            if record.state.is_final:
                return record
            await asyncio.sleep(0.02)


async def _is_under_way(app: App, record: TaskRecord) -> bool:
    try:
        task = await app.clients.batch.get_task(record.job_id, record.task_id, select=["id", "state"])
    except ResourceNotFoundError:
        return False
    return task.state != BatchTaskState.COMPLETED


async def closed(app: App, job_id: str) -> None:
    """Terminate a job, as an operator may do."""
    # azure-batch 15.1.0 fails without options, though they are optional, and does not export them.
    options = BatchJobTerminateOptions(termination_reason="test")
    poller = await app.clients.batch.begin_terminate_job(job_id, options, polling_interval=0.05)
    await poller.result()


async def deleted(app: App, job_id: str) -> None:
    """Delete a job, as an operator may do."""
    await (await app.clients.batch.begin_delete_job(job_id, polling_interval=0.05)).result()


async def cancel_all(app: App, records: Iterable[TaskRecord]) -> None:
    """Cancel the tasks of these records."""
    for record in records:
        await cancel(app, record.task_id)
