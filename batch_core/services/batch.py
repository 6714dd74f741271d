"""The calls that the app makes to Batch, and what their replies mean to it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from azure.batch.aio import BatchClient
from azure.batch.models import (
    AutoUserScope,
    AutoUserSpecification,
    BatchJobCreateOptions,
    BatchNodeIdentityReference,
    BatchPoolInfo,
    BatchTaskConstraints,
    BatchTaskContainerSettings,
    BatchTaskCreateOptions,
    BatchTaskGroup,
    ContainerRegistryReference,
    ElevationLevel,
    EnvironmentSetting,
    OutputFile,
    OutputFileBlobContainerDestination,
    OutputFileDestination,
    OutputFileUploadConfiguration,
    OutputFileUploadHeader,
    ResourceFile,
    UserIdentity,
)

from batch_core.errors import Conflict, Missing, ServiceError
from batch_core.sdk.paging import each_item, each_page
from batch_core.sdk.service_codes import ABSENT_TASK, DELETED_JOB, ENDED_JOB
from batch_core.sdk.translation import translating
from batch_core.services.batch_reading import (
    CompletedPage,
    addition_error,
    check_id,
    job_status,
    live_task,
    node_counts,
    pool_status,
    requeues_of,
    required_text,
    required_time,
    wire_value,
)
from batch_core.services.batch_values import (
    CurrentTask,
    JobStatus,
    LiveTask,
    NewTask,
    NodeCounts,
    PoolStatus,
    TaskContainer,
    TaskResource,
    Upload,
)
from batch_core.services.ownership import AccountJob, account_jobs, mark
from batch_core.services.verbatim import completed

#: https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
MAX_TASKS_PER_CALL: Final = 100
#: https://learn.microsoft.com/rest/api/batchservice/tasks/list-tasks
MAX_TASKS_PER_PAGE: Final = 1000

_LIVE_TASK_FIELDS: Final = ["id", "state", "previousState", "executionInfo", "nodeInfo"]
_COMPLETED_TASK_FIELDS: Final = ["id", "stateTransitionTime", "executionInfo", "nodeInfo", "constraints"]


class BatchService:
    """Batch as the app uses it. Every method raises the `ServiceError` that fits."""

    def __init__(self, client: BatchClient, app: str) -> None:
        """`app` is what jobs are marked with."""
        self._client = client
        self._app = app

    async def active_jobs(self) -> list[AccountJob]:
        """List all jobs of the account that have not ended."""
        with translating("listing the account's jobs"):
            return await account_jobs(self._client, "state ne 'completed'", self._app)

    async def create_job(self, job_id: str, pool_id: str, priority: int = 0) -> None:
        """Create the job on this pool, marked as the app's; idempotent: one that already exists is fine."""
        try:
            with translating(f"creating job {job_id}"):
                pool = BatchPoolInfo(pool_id=pool_id)
                await self._client.create_job(
                    BatchJobCreateOptions(id=job_id, pool_info=pool, priority=priority, metadata=[mark(self._app)])
                )
        except Conflict as exc:
            if exc.code != "JobExists":
                raise

    async def add_tasks(self, job_id: str, tasks: Sequence[NewTask]) -> Mapping[str, ServiceError | None]:
        """Add up to 100 tasks in one call; returns for each task id None (Batch has it) or why it does not."""
        with translating(f"adding tasks to job {job_id}"):
            reply = await self._client.create_task_collection(
                job_id, BatchTaskGroup(task_values=[_options(task) for task in tasks])
            )
            # What names no task says nothing of any.
            named = [result for result in reply.result_values or [] if isinstance(result.task_id, str)]
            return {result.task_id: addition_error(job_id, result) for result in named}

    async def has_task(self, job_id: str, task_id: str) -> bool:
        return await self.completion_of(job_id, task_id) is not None

    async def current_task(self, job_id: str, task_id: str) -> CurrentTask:
        """Look at a task; raises `Missing` if the job or the task does not exist."""
        with translating(f"looking at task {task_id} in job {job_id}"):
            task = await self._client.get_task(job_id, task_id, select=[*_LIVE_TASK_FIELDS, "nodeInfo"])
            check_id(task.id, task_id)
            return CurrentTask(
                state=wire_value(required_text(task.state)),
                requeues=requeues_of(task),
                node_id=task.node_info.node_id if task.node_info else None,
                started_at=task.execution_info.start_time if task.execution_info else None,
            )

    async def live_tasks(self, job_id: str) -> dict[str, LiveTask]:
        """List the tasks of a job that are not completed (active, preparing, running), by their ids."""
        with translating(f"listing tasks of job {job_id}"):
            tasks = self._client.list_tasks(
                job_id, filter="state ne 'completed'", select=_LIVE_TASK_FIELDS, max_results=MAX_TASKS_PER_PAGE
            )
            return {required_text(task.id): live_task(task) async for task in each_item(tasks)}

    async def terminate_task(self, job_id: str, task_id: str) -> bool:
        """Stop a task; True if it was stopped or had completed, False if the job has no such task."""
        try:
            with translating(f"terminating task {task_id}"):
                await self._client.terminate_task(job_id, task_id)
        except (Missing, Conflict) as exc:
            if exc.code in ABSENT_TASK:
                return False
            if exc.code != "TaskCompleted":
                raise
        return True

    async def completion_of(self, job_id: str, task_id: str) -> datetime | None:
        """Return when the task went to its present state, None if the job or the task does not exist."""
        try:
            with translating(f"looking for task {task_id} in job {job_id}"):
                task = await self._client.get_task(job_id, task_id, select=["id", "stateTransitionTime"])
                check_id(task.id, task_id)
                return required_time(task.state_transition_time)
        except Missing as exc:
            if exc.code in ABSENT_TASK:
                return None
            raise

    async def job_status(self, job_id: str) -> JobStatus | None:
        """Look at a job; None if it does not exist."""
        try:
            with translating(f"looking at job {job_id}"):
                job = await self._client.get_job(job_id, select=["id", "state", "priority", "poolInfo"])
                check_id(job.id, job_id)
                return job_status(job)
        except Missing as exc:
            if exc.code != "JobNotFound":
                raise
            return None

    async def terminate_job(self, job_id: str) -> None:
        """Terminate the job: it takes no more tasks. One that has ended, or is gone, is fine."""
        try:
            with translating(f"terminating job {job_id}"):
                # azure-batch 15.1.0 fails without options, though they are optional, and does not export their type.
                options: Any = {"terminateReason": "nothing runs in it"}
                await self._client.begin_terminate_job(job_id, options)
        except (Missing, Conflict) as exc:
            if exc.code not in ENDED_JOB:
                raise

    async def delete_job(self, job_id: str) -> None:
        """Delete the job with its tasks; it goes on in the background. One that is gone, or about to be, is fine."""
        try:
            with translating(f"deleting job {job_id}"):
                await self._client.begin_delete_job(job_id)
        except (Missing, Conflict) as exc:
            if exc.code not in DELETED_JOB:
                raise

    async def completed_tasks(self, job_id: str, since: datetime | None) -> AsyncIterator[CompletedPage]:
        """List the tasks that completed at or after `since`, in pages of up to 1,000 and in no promised order."""
        expression = "state eq 'completed'"
        if since is not None:
            expression += f" and stateTransitionTime ge DateTime'{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
        listed = self._client.list_tasks(
            job_id, filter=expression, select=_COMPLETED_TASK_FIELDS, max_results=MAX_TASKS_PER_PAGE
        )
        with translating(f"listing completed tasks of job {job_id}"):
            async for page in each_page(listed):
                yield CompletedPage(job_id, page)

    async def node_counts(self, pool_id: str) -> NodeCounts:
        """Count the pool's nodes by what they can do; zeros while the service has no figures."""
        with translating(f"counting the nodes of pool {pool_id}"):
            listed = self._client.list_pool_node_counts(filter=f"poolId eq '{pool_id}'")
            counts = [node_counts(pool) async for pool in each_item(listed)]
        return counts[0] if counts else NodeCounts()

    async def pool_status(self, pool_id: str) -> PoolStatus:
        """Look at the pool; raises `Missing` if it does not exist."""
        with translating(f"looking at pool {pool_id}"):
            pool = await self._client.get_pool(pool_id)
            check_id(pool.id, pool_id)
            return pool_status(pool)


def task_document(task: NewTask) -> dict[str, Any]:
    """Return the body with which a task is added to a job, as Batch's REST API names its properties."""
    document: dict[str, Any] = _options(task).as_dict()
    return document


def _options(task: NewTask) -> BatchTaskCreateOptions:
    return completed(_modelled(task), task.verbatim)


def _modelled(task: NewTask) -> BatchTaskCreateOptions:
    return BatchTaskCreateOptions(
        id=task.task_id,
        command_line=task.command_line,
        resource_files=[_resource_file(one) for one in task.resources],
        output_files=[_output_file(one) for one in task.uploads] or None,
        environment_settings=[EnvironmentSetting(name=name, value=value) for name, value in task.environment.items()],
        constraints=BatchTaskConstraints(
            max_wall_clock_time=task.max_wall_clock_time,
            retention_time=task.retention_time,
            max_task_retry_count=task.max_retries,
        ),
        required_slots=task.required_slots,
        user_identity=_user_identity(task),
        container_settings=_container_settings(task.container) if task.container else None,
    )


def _user_identity(task: NewTask) -> UserIdentity | None:
    """Return the user of a task; None: Batch's default, one without elevation for each task."""
    if task.user_scope == AutoUserScope.TASK and not task.is_elevated:
        return None
    elevation = ElevationLevel.ADMIN if task.is_elevated else ElevationLevel.NON_ADMIN
    return UserIdentity(auto_user=AutoUserSpecification(scope=task.user_scope, elevation_level=elevation))


def _container_settings(container: TaskContainer) -> BatchTaskContainerSettings:
    identity = _identity(container.identity_resource_id)
    registry = ContainerRegistryReference(registry_server=container.registry, identity_reference=identity)
    return BatchTaskContainerSettings(
        image_name=container.image,
        container_run_options=container.options or None,
        registry=registry if identity else None,
    )


def _resource_file(resource: TaskResource) -> ResourceFile:
    return ResourceFile(
        http_url=resource.url or None,
        storage_container_url=resource.container_url or None,
        auto_storage_container_name=resource.auto_storage_container or None,
        blob_prefix=resource.prefix or None,
        file_path=resource.path or None,
        identity_reference=_identity(resource.identity_resource_id),
    )


def _output_file(upload: Upload) -> OutputFile:
    container = OutputFileBlobContainerDestination(
        container_url=upload.container_url,
        path=upload.path,
        identity_reference=_identity(upload.identity_resource_id),
        # https://learn.microsoft.com/rest/api/storageservices/put-blob
        upload_headers=(
            [OutputFileUploadHeader(name="x-ms-blob-content-type", value=upload.content_type)]
            if upload.content_type
            else None
        ),
    )
    return OutputFile(
        file_pattern=upload.pattern,
        destination=OutputFileDestination(container=container),
        upload_options=OutputFileUploadConfiguration(upload_condition=upload.condition),
    )


def _identity(resource_id: str) -> BatchNodeIdentityReference | None:
    return BatchNodeIdentityReference(resource_id=resource_id) if resource_id else None
