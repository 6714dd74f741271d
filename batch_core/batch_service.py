"""The calls that the app makes to Batch, and what their replies mean to it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from typing import Any

from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchError,
    BatchJobCreateOptions,
    BatchJobState,
    BatchPool,
    BatchPoolInfo,
    BatchPoolNodeCounts,
    BatchTask,
    BatchTaskAddStatus,
    BatchTaskCreateOptions,
    BatchTaskCreateResult,
    BatchTaskGroup,
)
from azure.core.exceptions import HttpResponseError
from azure.core.rest import AsyncHttpResponse

from batch_core.errors import Conflict, Missing, Refused, ServiceError, Unavailable, translating

#: https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
MAX_TASKS_PER_CALL = 100
#: https://learn.microsoft.com/rest/api/batchservice/tasks/list-tasks
MAX_TASKS_PER_PAGE = 1000

#: A job that answers with one of these takes no more tasks, ever
#: (https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes).
_CLOSED_JOB_CODES = frozenset({"JobBeingDeleted", "JobBeingTerminated", "JobCompleted", "JobNotFound"})
_COMPLETED_TASK_FIELDS = ["id", "stateTransitionTime", "executionInfo", "nodeInfo"]


def is_gone(error: ServiceError) -> bool:
    """Tell whether the error means that a task's file is not there and will not come back."""
    return isinstance(error, Missing) or error.code == "TaskFilesCleanedup"


def is_out_of_reach(error: ServiceError) -> bool:
    """Tell whether the error means that a task's files are not there now: it never ran, or its node is away."""
    return error.code == "TaskFilesUnavailable"


def is_closed_job(error: ServiceError) -> bool:
    """Tell whether the error means that the job takes no more tasks, ever."""
    return error.code in _CLOSED_JOB_CODES


def word(value: str | Enum) -> str:
    """Return the service's own word for a value that the SDK may have turned into an enumeration's."""
    return str(value.value if isinstance(value, Enum) else value)


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """How many nodes a pool has: all, and those able to run tasks, on their way, and in trouble."""

    total: int = 0
    able: int = 0
    starting: int = 0
    start_task_failed: int = 0
    unusable: int = 0


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """By which a file's content can be told from another: its size in bytes, when it was last modified (in seconds)."""

    size: int
    modified: datetime


class BatchService:
    """Batch as the app uses it. Every method raises the `ServiceError` that fits."""

    def __init__(self, client: BatchClient) -> None:
        self._client = client

    async def create_job(self, job_id: str, pool_id: str) -> None:
        """Make the job on this pool; one that is there already is fine."""
        try:
            with translating(f"creating job {job_id}"):
                await self._client.create_job(
                    BatchJobCreateOptions(id=job_id, pool_info=BatchPoolInfo(pool_id=pool_id))
                )
        except Conflict as exc:
            if exc.code != "JobExists":
                raise

    async def add_tasks(
        self, job_id: str, tasks: Sequence[BatchTaskCreateOptions]
    ) -> Mapping[str, ServiceError | None]:
        """Add up to 100 tasks in one call; returns for each task id None (Batch has it) or why it has not."""
        with translating(f"adding tasks to job {job_id}"):
            reply = await self._client.create_task_collection(job_id, BatchTaskGroup(task_values=list(tasks)))
        return {result.task_id: _add_error(job_id, result) for result in reply.result_values or []}

    async def has_task(self, job_id: str, task_id: str) -> bool:
        try:
            with translating(f"looking for task {task_id} in job {job_id}"):
                await self._client.get_task(job_id, task_id, select=["id"])
        except Missing:
            return False
        return True

    async def live_tasks(self, job_id: str) -> dict[str, str]:
        """List the tasks of a job that are not completed: id and state (active, preparing, running)."""
        with translating(f"listing tasks of job {job_id}"):
            tasks = self._client.list_tasks(
                job_id, filter="state ne 'completed'", select=["id", "state"], max_results=MAX_TASKS_PER_PAGE
            )
            return {task.id or "": word(task.state or "") async for task in tasks}

    async def terminate_task(self, job_id: str, task_id: str) -> bool:
        """Stop a task; True if it was stopped or had completed, False if the job has no such task."""
        try:
            with translating(f"terminating task {task_id}"):
                await self._client.terminate_task(job_id, task_id)
        except Missing:
            return False
        except Conflict as exc:
            if exc.code != "TaskCompleted":
                raise
        return True

    async def completion_of(self, job_id: str, task_id: str) -> datetime | None:
        """Return when the task went to its present state, None if the job or the task is not there."""
        try:
            with translating(f"looking for task {task_id} in job {job_id}"):
                task = await self._client.get_task(job_id, task_id, select=["id", "stateTransitionTime"])
        except Missing:
            return None
        return task.state_transition_time

    async def is_disabled(self, job_id: str) -> bool:
        """Tell whether somebody keeps the job's tasks from running."""
        return await self._job_state(job_id) in {BatchJobState.DISABLED, BatchJobState.DISABLING}

    async def has_ended(self, job_id: str) -> bool:
        """Tell whether the job has ended: what is active in it then stays so and will never run.

        https://learn.microsoft.com/rest/api/batchservice/jobs/terminate-job
        """
        return await self._job_state(job_id) == BatchJobState.COMPLETED

    async def _job_state(self, job_id: str) -> str | None:
        try:
            with translating(f"looking at job {job_id}"):
                return (await self._client.get_job(job_id, select=["id", "state"])).state
        except Missing:
            return None

    async def terminate_job(self, job_id: str) -> None:
        """Close the job: it takes no more tasks."""
        with translating(f"closing job {job_id}"):
            # azure-batch 15.1.0 fails without options, though they are optional, and does not export their type.
            options: Any = {"terminateReason": "nothing runs in it"}
            await self._client.begin_terminate_job(job_id, options)

    async def delete_job(self, job_id: str) -> None:
        """Delete the job with its tasks; it goes on in the background."""
        with translating(f"deleting job {job_id}"):
            await self._client.begin_delete_job(job_id)

    async def completed_tasks(self, job_id: str, since: datetime | None) -> AsyncIterator[list[BatchTask]]:
        """List the tasks that completed at or after `since`, in pages of up to 1,000 and in no promised order."""
        expression = "state eq 'completed'"
        if since is not None:
            expression += f" and stateTransitionTime ge DateTime'{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
        pages = self._client.list_tasks(
            job_id, filter=expression, select=_COMPLETED_TASK_FIELDS, max_results=MAX_TASKS_PER_PAGE
        ).by_page()
        with translating(f"listing completed tasks of job {job_id}"):
            async for page in pages:
                yield [task async for task in page]

    async def read_range(self, job_id: str, task_id: str, file: str, start: int, length: int) -> bytes:
        """Return this part of a file of the task's directory, less if the file ends before."""
        with translating(f"reading {file} of task {task_id}"):
            try:
                part = f"bytes={start}-{start + length - 1}"
                chunks = await self._client.download_task_file(job_id, task_id, file, ocp_range=part)
                return b"".join([chunk async for chunk in chunks])
            except HttpResponseError as exc:
                if exc.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return b""
                # The SDK does not read the body of a streamed reply, not even of an error.
                await _read_error(exc)
                raise

    async def file_facts(self, job_id: str, task_id: str, file: str) -> FileFacts:
        """Look at a file of the task's directory."""
        with translating(f"looking at {file} of task {task_id}"):
            found = await self._client.get_task_file_properties(job_id, task_id, file)
        return FileFacts(size=found.content_length, modified=found.last_modified)

    async def node_counts(self, pool_id: str) -> NodeCounts:
        """Count the pool's nodes by what they can do; zeros while the service has no figures."""
        with translating(f"counting the nodes of pool {pool_id}"):
            listed = self._client.list_pool_node_counts(filter=f"poolId eq '{pool_id}'")
            counts = [_node_counts(pool) async for pool in listed]
        return counts[0] if counts else NodeCounts()

    async def get_pool(self, pool_id: str) -> BatchPool:
        with translating(f"looking at pool {pool_id}"):
            return await self._client.get_pool(pool_id)


async def _read_error(exc: HttpResponseError) -> None:
    """Give the error of a streamed reply the code and the message that its body holds."""
    if isinstance(exc.response, AsyncHttpResponse):
        with suppress(ValueError):
            exc.model = BatchError(json.loads(await exc.response.read()))


def _node_counts(pool: BatchPoolNodeCounts) -> NodeCounts:
    kinds = [kind for kind in (pool.dedicated, pool.low_priority) if kind]
    return NodeCounts(
        total=sum(kind.total for kind in kinds),
        able=sum(kind.idle + kind.running for kind in kinds),
        starting=sum(
            kind.creating + kind.starting + kind.waiting_for_start_task + kind.rebooting + kind.reimaging
            for kind in kinds
        ),
        start_task_failed=sum(kind.start_task_failed for kind in kinds),
        unusable=sum(kind.unusable for kind in kinds),
    )


def _add_error(job_id: str, result: BatchTaskCreateResult) -> ServiceError | None:
    code = (result.error and result.error.code) or ""
    # The service writes "Success" where the SDK's enumeration says "success".
    status = result.status.lower()
    if status == BatchTaskAddStatus.SUCCESS or code == "TaskExists":
        return None
    message = result.error.message.value if result.error and result.error.message else None
    kind = Unavailable if status == BatchTaskAddStatus.SERVER_ERROR else Refused
    detail = (message or "no reason given").split("\n", 1)[0]
    return kind(f"adding task {result.task_id} to job {job_id}", code=code, detail=detail)
