"""The calls that the app makes to Batch, and what their replies mean to it."""

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from azure.batch.aio import BatchClient
from azure.batch.models import (
    BatchError,
    BatchJobCreateOptions,
    BatchJobState,
    BatchPoolInfo,
    BatchPoolNodeCounts,
    BatchTask,
    BatchTaskAddStatus,
    BatchTaskCreateOptions,
    BatchTaskCreateResult,
    BatchTaskGroup,
)
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.rest import AsyncHttpResponse

from batch_core.errors import (
    Conflict,
    Missing,
    Refused,
    ServiceError,
    Unavailable,
    Unexpected,
    error_code,
    note_answer,
    translating,
)
from batch_core.naming import MAX_ID_LENGTH
from batch_core.outcome import EARLIEST, outcome_of, word
from batch_core.paging import each_item, each_page
from batch_core.service_codes import (
    ABSENT_FILE,
    ABSENT_TASK,
    CLOSED_JOB,
    DELETED_JOB,
    ENDED_JOB,
    FILE_OUT_OF_REACH,
    NEVER_ACCEPTED,
)
from batch_core.services.clients import within_a_try
from batch_core.state.record import Outcome

logger = logging.getLogger(__name__)

#: https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
MAX_TASKS_PER_CALL = 100
#: https://learn.microsoft.com/rest/api/batchservice/tasks/list-tasks
MAX_TASKS_PER_PAGE = 1000

_COMPLETED_TASK_FIELDS = ["id", "stateTransitionTime", "executionInfo", "nodeInfo"]
#: Headers that every answer about a file has (https://learn.microsoft.com/rest/api/batchservice/file/get-from-task).
_FILE_HEADER = "ocp-batch-file-"
_NO_FILE = f"it has none of the headers that Batch gives a file ({_FILE_HEADER}...)"


def is_gone(error: ServiceError) -> bool:
    """Tell whether the error means that a task's file does not exist and never will again."""
    return error.code in ABSENT_FILE


def is_out_of_reach(error: ServiceError) -> bool:
    """Tell whether the error means that a task's files cannot be read now: it never ran, or its node is away."""
    return error.code in FILE_OUT_OF_REACH


def is_closed_job(error: ServiceError) -> bool:
    """Tell whether the error means that the job takes no more tasks, ever."""
    return error.code in CLOSED_JOB


def is_never_accepted(error: ServiceError) -> bool:
    """Tell whether the error means that this very task can never be added, in the service's own words."""
    return isinstance(error, Refused | Conflict) and error.code in NEVER_ACCEPTED


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """How many nodes a pool has: all, and those able to run tasks, on their way, and in trouble."""

    total: int = 0
    able: int = 0
    starting: int = 0
    start_task_failed: int = 0
    unusable: int = 0


@dataclass(frozen=True, kw_only=True)
class PoolStatus:
    """A pool: its states in the service's words, the nodes that it has and is to have, its resize errors."""

    id: str
    state: str
    allocation_state: str
    nodes: int
    target: int
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskNow:
    """A task that need not be completed: its state in the service's word, its node and start, if it has them."""

    state: str
    node_id: str | None
    started_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class CompletedTask:
    """A completed task: when it completed (or was changed last, as the service says) and how it ended."""

    task_id: str
    completed_at: datetime
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class CompletedPage:
    """A page of completed tasks, and how many of its items could not be read."""

    tasks: list[CompletedTask]
    unreadable: int


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
            # What names no task says nothing of any.
            named = [result for result in reply.result_values or [] if isinstance(result.task_id, str)]
            return {result.task_id: _add_error(job_id, result) for result in named}

    async def has_task(self, job_id: str, task_id: str) -> bool:
        return await self.completion_of(job_id, task_id) is not None

    async def task_now(self, job_id: str, task_id: str) -> TaskNow:
        """Look at a task; raises `Missing` if the job or the task does not exist."""
        with translating(f"looking at task {task_id} in job {job_id}"):
            task = await self._client.get_task(job_id, task_id, select=["state", *_COMPLETED_TASK_FIELDS])
            _check_id(task.id, task_id)
            return TaskNow(
                state=word(_text(task.state)),
                node_id=task.node_info.node_id if task.node_info else None,
                started_at=task.execution_info.start_time if task.execution_info else None,
            )

    async def live_tasks(self, job_id: str) -> dict[str, str]:
        """List the tasks of a job that are not completed: id and state (active, preparing, running)."""
        with translating(f"listing tasks of job {job_id}"):
            tasks = self._client.list_tasks(
                job_id, filter="state ne 'completed'", select=["id", "state"], max_results=MAX_TASKS_PER_PAGE
            )
            return {_text(task.id): word(_text(task.state)) async for task in each_item(tasks)}

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
                _check_id(task.id, task_id)
                return _moment(task.state_transition_time)
        except Missing as exc:
            if exc.code in ABSENT_TASK:
                return None
            raise

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
                job = await self._client.get_job(job_id, select=["id", "state"])
                _check_id(job.id, job_id)
                return word(_text(job.state))
        except Missing as exc:
            if exc.code != "JobNotFound":
                raise
            return None

    async def terminate_job(self, job_id: str) -> None:
        """Close the job: it takes no more tasks. One that has ended, or is gone, is fine."""
        try:
            with translating(f"closing job {job_id}"):
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
                yield _completed_page(job_id, page)

    async def read_range(self, job_id: str, task_id: str, file: str, start: int, length: int) -> bytes:
        """Return this part of a file of the task's directory, less if the file ends before.

        What comes back counts as the file's content only if the answer has the headers that Batch gives a file, and is
        neither shorter than it says nor longer than what was asked for. Raises `Unexpected` otherwise.
        """
        with translating(f"reading {file} of task {task_id}"):
            part = f"bytes={start}-{start + length - 1}"
            try:
                answer: Any = await self._client.download_task_file(
                    job_id, task_id, file, ocp_range=part, cls=_FileAnswer.of
                )
            except HttpResponseError as exc:
                # The SDK does not read the body of a streamed reply, not even of an error.
                await _read_error(exc)
                if exc.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and error_code(exc) == "InvalidRange":
                    return b""
                raise
            async with within_a_try("reading the body"):
                content: bytes = await answer.content(length)
            return content

    async def file_facts(self, job_id: str, task_id: str, file: str) -> FileFacts:
        """Look at a file of the task's directory."""
        try:
            with translating(f"looking at {file} of task {task_id}"):
                found = await self._client.get_task_file_properties(job_id, task_id, file)
                if found.is_directory is None and found.url is None:
                    raise ValueError(_NO_FILE)
                return FileFacts(size=int(found.content_length), modified=_moment(found.last_modified))
        except Unexpected:
            # The code of an error is in its body, and an answer to HEAD has none: asked for the content, Batch tells.
            await self.read_range(job_id, task_id, file, 0, 1)
            raise

    async def node_counts(self, pool_id: str) -> NodeCounts:
        """Count the pool's nodes by what they can do; zeros while the service has no figures."""
        with translating(f"counting the nodes of pool {pool_id}"):
            listed = self._client.list_pool_node_counts(filter=f"poolId eq '{pool_id}'")
            counts = [_node_counts(pool) async for pool in each_item(listed)]
        return counts[0] if counts else NodeCounts()

    async def pool_status(self, pool_id: str) -> PoolStatus:
        """Look at the pool; raises `Missing` if it does not exist."""
        with translating(f"looking at pool {pool_id}"):
            pool = await self._client.get_pool(pool_id)
            _check_id(pool.id, pool_id)
            return PoolStatus(
                id=_text(pool.id),
                state=word(_text(pool.state)),
                allocation_state=word(pool.allocation_state or "unknown"),
                nodes=(pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0),
                target=(pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0),
                errors=tuple(f"{error.code}: {error.message}" for error in pool.resize_errors or []),
            )


def _text(value: str | None) -> str:
    """Return a text that every answer has; raises `TypeError` if this one does not."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def _moment(value: datetime | None) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"a time was expected, not {type(value).__name__}")
    if value < EARLIEST:
        raise ValueError(f"{value:%Y} is no year of a task")
    return value


def _check_id(found: str | None, asked: str) -> None:
    # Ids are compared without regard to case.
    if _text(found).lower() != asked.lower():
        raise ValueError(f"it is about {_text(found)[:MAX_ID_LENGTH]!r}")


def _completed_page(job_id: str, tasks: Sequence[BatchTask]) -> CompletedPage:
    """Read each task by itself: one that cannot be read holds up none of the others."""
    read: list[CompletedTask] = []
    for task in tasks:
        try:
            with translating(f"reading a completed task of job {job_id}"):
                note_answer()
                read.append(_completed_task(task))
        except Unexpected as exc:
            logger.warning("%s", exc)
    return CompletedPage(tasks=read, unreadable=len(tasks) - len(read))


def _completed_task(task: BatchTask) -> CompletedTask:
    completed_at = _moment(task.state_transition_time)
    return CompletedTask(task_id=_text(task.id), completed_at=completed_at, outcome=outcome_of(task))


@dataclass(frozen=True)
class _FileAnswer:
    """An answer about a file: it counts only with the headers that Batch gives a file."""

    response: AsyncHttpResponse
    chunks: AsyncIterator[bytes]

    @classmethod
    def of(
        cls, response: PipelineResponse[Any, AsyncHttpResponse], chunks: AsyncIterator[bytes], _: Mapping[str, Any]
    ) -> "_FileAnswer":
        """Take what the SDK hands to a custom `cls`."""
        return cls(response=response.http_response, chunks=chunks)

    async def content(self, length: int) -> bytes:
        """Read the body, of at most `length` bytes; raises `ValueError` if it is not a file's, or is longer."""
        try:
            self._check()
            content = bytearray()
            async for chunk in self.chunks:
                content += chunk
                if len(content) > length:
                    raise ValueError(f"more than the {length} bytes that were asked for came")
            return bytes(content)
        finally:
            await self.response.close()

    def _check(self) -> None:
        if not any(name.lower().startswith(_FILE_HEADER) for name in self.response.headers):
            raise ValueError(_NO_FILE)


async def _read_error(exc: HttpResponseError) -> None:
    """Give the error of a streamed reply the code and the message that its body holds."""
    if isinstance(exc.response, AsyncHttpResponse):
        with suppress(ValueError, RecursionError):
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
    status = _text(result.status).lower()
    if status == BatchTaskAddStatus.SUCCESS or (status == BatchTaskAddStatus.CLIENT_ERROR and code == "TaskExists"):
        return None
    message = result.error.message.value if result.error and result.error.message else None
    detail = (message or "no reason given").split("\n", 1)[0]
    return _kind_of_add_error(status, code)(f"adding task {result.task_id} to job {job_id}", code=code, detail=detail)


def _kind_of_add_error(status: str, code: str) -> type[ServiceError]:
    match status:
        case BatchTaskAddStatus.SERVER_ERROR:
            return Unavailable
        case BatchTaskAddStatus.CLIENT_ERROR if code:
            return Refused
        case _:
            return Unexpected
