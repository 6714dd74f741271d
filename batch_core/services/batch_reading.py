"""The SDK's models of Batch become values of the app; what no reply of the service can say is refused.

All of it raises `TypeError` or `ValueError` for that, which `translating` turns into `Unexpected`.
"""

import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from azure.batch.models import (
    BatchJob,
    BatchNode,
    BatchPool,
    BatchPoolCreateOptions,
    BatchPoolNodeCounts,
    BatchTask,
    BatchTaskAddStatus,
    BatchTaskCreateResult,
    BatchTaskExecutionInfo,
    BatchTaskExecutionResult,
    BatchTaskFailureInfo,
    BatchTaskState,
    BatchVmImageReference,
    SchedulingState,
)

from batch_core.checked import checked
from batch_core.errors import Refused, ServiceError, Unavailable, Unexpected
from batch_core.naming import MAX_ID_LENGTH
from batch_core.sdk.error_reply import fault_in_request, first_line
from batch_core.sdk.translation import note_answer, translating
from batch_core.services.batch_values import (
    CompletedTask,
    Execution,
    Failure,
    JobStatus,
    LiveTask,
    Node,
    NodeCounts,
    PoolMachine,
    PoolStatus,
)

logger = logging.getLogger(__name__)

#: The table holds no earlier time and no larger number
#: (https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#property-types).
EARLIEST: Final = datetime(1601, 1, 1, tzinfo=UTC)
_LARGEST: Final = 2**63 - 1


def wire_value(value: str | Enum) -> str:
    """Return the service's own word for a value that the SDK may have turned into an enumeration's."""
    return str(value.value if isinstance(value, Enum) else value)


def required_text(value: str | None) -> str:
    """Return a text that every answer has."""
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


def required_time(value: datetime | None) -> datetime:
    """Return a time that every answer has, and that the table can hold."""
    if not isinstance(value, datetime):
        raise TypeError(f"a time was expected, not {type(value).__name__}")
    if value < EARLIEST:
        raise ValueError(f"{value:%Y} is no year of a task")
    return value


def check_id(found: str | None, asked: str) -> None:
    """See that an answer is about what was asked for; ids are compared without regard to case."""
    if required_text(found).lower() != asked.lower():
        raise ValueError(f"it is about {required_text(found)[:MAX_ID_LENGTH]!r}")


class CompletedPage:
    """A page of completed tasks. Most have been collected before: more than its id and time is read of none of these.

    They are read one by one: one that cannot be read holds up none of the others. `unreadable` counts them.
    """

    def __init__(self, job_id: str, tasks: Sequence[BatchTask]) -> None:
        self._job_id = job_id
        self.unreadable = 0
        self._tasks: dict[str, BatchTask] = {}
        #: When each that is not unreadable completed, by its id.
        self.completed_at: dict[str, datetime] = {}
        for task in tasks:
            with self._counted():
                moment = required_time(task.state_transition_time)
                self._tasks[required_text(task.id)] = task
                self.completed_at[required_text(task.id)] = moment

    def read(self, wanted: Container[str] | None = None) -> list[CompletedTask]:
        """Read the tasks whose ids are wanted; None: all."""
        read: list[CompletedTask] = []
        for task_id, task in self._tasks.items():
            if wanted is None or task_id in wanted:
                with self._counted():
                    read.append(completed_task(task))
        return read

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            with translating(f"reading a completed task of job {self._job_id}"):
                note_answer()
                yield
        except Unexpected as exc:
            self.unreadable += 1
            logger.warning("%s", exc)


def completed_task(task: BatchTask) -> CompletedTask:
    values = {
        "task_id": required_text(task.id),
        "completed_at": required_time(task.state_transition_time),
        "node_id": task.node_info.node_id if task.node_info else None,
        "execution": execution_of(task.execution_info) if task.execution_info else None,
        "time_limit": _time_limit(task),
    }
    return checked(CompletedTask, values)


def _time_limit(task: BatchTask) -> timedelta | None:
    # Only said, never decided on: what is no duration must not keep the task from being collected.
    limit = task.constraints.max_wall_clock_time if task.constraints else None
    return limit if isinstance(limit, timedelta) else None


def live_task(task: BatchTask) -> LiveTask:
    values = {
        "state": wire_value(required_text(task.state)),
        "requeues": requeues_of(task),
        "node_id": task.node_info.node_id if task.node_info else None,
        "started_at": task.execution_info.start_time if task.execution_info else None,
    }
    return checked(LiveTask, values)


def requeues_of(task: BatchTask) -> int:
    """Return how often a task was put back into its queue; at least once if it is there and was elsewhere before.

    The documentation of `requeueCount` names what users ask for, and not nodes that are preempted
    (https://learn.microsoft.com/rest/api/batchservice/tasks/get-task).
    """
    is_back = task.state == BatchTaskState.ACTIVE and task.previous_state is not None
    return max(_requeue_count(task.execution_info), int(is_back))


def _requeue_count(info: BatchTaskExecutionInfo | None) -> int:
    return _storable(info.requeue_count) or 0 if info else 0


def execution_of(info: BatchTaskExecutionInfo) -> Execution:
    values = {
        "is_success": info.result == BatchTaskExecutionResult.SUCCESS,
        "started_at": _unless_placeholder(info.start_time),
        "ended_at": _unless_placeholder(info.end_time),
        "exit_code": _storable(info.exit_code),
        "failure": failure_of(info.failure_info) if info.failure_info else None,
        "requeues": _requeue_count(info),
    }
    return checked(Execution, values)


def failure_of(info: BatchTaskFailureInfo) -> Failure:
    # Values may hold the input's URL with its SAS signature: only the details that are made to be read.
    details = [detail.value for detail in info.details or [] if detail.name == "Message" and detail.value]
    message = _as_sentences(info.message or "", ". ".join(detail.strip().rstrip(".") for detail in details))
    return checked(Failure, {"category": wire_value(info.category), "code": info.code, "message": message})


def _as_sentences(message: str, details: str) -> str:
    """Join what the service says in general with what it says of this case, which may be empty, as may either."""
    message, details = message.strip(), details.strip()
    if not message or not details:
        return message or details
    return f"{message} {details}" if message[-1] in ".:;!?" else f"{message}: {details}"


def job_status(job: BatchJob) -> JobStatus:
    pool_id = job.pool_info.pool_id if job.pool_info else None
    values = {"state": wire_value(required_text(job.state)), "pool_id": pool_id or "", "priority": job.priority or 0}
    return checked(JobStatus, values)


def pool_status(pool: BatchPool) -> PoolStatus:
    return PoolStatus(
        id=required_text(pool.id),
        state=wire_value(required_text(pool.state)),
        allocation_state=wire_value(pool.allocation_state or "unknown"),
        nodes=(pool.current_dedicated_nodes or 0) + (pool.current_low_priority_nodes or 0),
        target=(pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0),
        errors=tuple(f"{error.code}: {error.message}" for error in pool.resize_errors or []),
        spot_target=pool.target_low_priority_nodes or 0,
        spot_nodes=pool.current_low_priority_nodes or 0,
        slots_per_node=pool.task_slots_per_node or 1,
        scales_itself=bool(pool.enable_auto_scale),
        machine=pool_machine(pool),
    )


def pool_machine(pool: BatchPool | BatchPoolCreateOptions) -> PoolMachine | None:
    configuration = pool.virtual_machine_configuration
    if configuration is None:
        return None
    image, containers = configuration.image_reference, configuration.container_configuration
    return PoolMachine(
        vm_size=required_text(pool.vm_size),
        image=f"{image.publisher}:{image.offer}:{image.sku}" if image.publisher else None,
        node_agent=required_text(configuration.node_agent_sku_id),
        runs_containers=containers is not None,
        image_reference=_image_reference(image),
        slots_per_node=pool.task_slots_per_node or 1,
        container_images=tuple((containers and containers.container_image_names) or ()),
        start_command=pool.start_task.command_line if pool.start_task else None,
    )


def _image_reference(image: BatchVmImageReference) -> str:
    own = image.virtual_machine_image_id or image.shared_gallery_image_id or image.community_gallery_image_id
    # The newest version is what a reference without one means.
    return own or ":".join(str(part) for part in (image.publisher, image.offer, image.sku, image.version or "latest"))


def node_of(node: BatchNode) -> Node:
    values = {
        "id": required_text(node.id),
        "state": wire_value(required_text(node.state)),
        "since": required_time(node.state_transition_time),
        "is_dedicated": node.is_dedicated is not False,
        "is_open": node.scheduling_state == SchedulingState.ENABLED,
        "tasks": node.running_tasks_count or 0,
        "slots": node.running_task_slots_count or 0,
    }
    return checked(Node, values)


def node_counts(pool: BatchPoolNodeCounts) -> NodeCounts:
    kinds = [kind for kind in (pool.dedicated, pool.low_priority) if kind]
    return NodeCounts(
        total=sum(kind.total for kind in kinds),
        able=sum(kind.idle + kind.running for kind in kinds),
        idle=sum(kind.idle for kind in kinds),
        starting=sum(
            kind.creating + kind.starting + kind.waiting_for_start_task + kind.rebooting + kind.reimaging
            for kind in kinds
        ),
        start_task_failed=sum(kind.start_task_failed for kind in kinds),
        unusable=sum(kind.unusable for kind in kinds),
        preempted=sum(kind.preempted for kind in kinds),
    )


def addition_error(job_id: str, result: BatchTaskCreateResult) -> ServiceError | None:
    """Return why one task of a collection was not added; None: Batch has it."""
    code = (result.error and result.error.code) or ""
    # The service writes "Success" where the SDK's enumeration says "success".
    status = required_text(result.status).lower()
    if status == BatchTaskAddStatus.SUCCESS or (status == BatchTaskAddStatus.CLIENT_ERROR and code == "TaskExists"):
        return None
    message = result.error.message.value if result.error and result.error.message else None
    detail = first_line(message or "no reason given") + fault_in_request(result.error)
    kind = _kind_of_addition_error(status, code)
    return kind(f"adding task {result.task_id} to job {job_id}", code=code, detail=detail)


def _kind_of_addition_error(status: str, code: str) -> type[ServiceError]:
    match status:
        case BatchTaskAddStatus.SERVER_ERROR:
            return Unavailable
        case BatchTaskAddStatus.CLIENT_ERROR if code:
            return Refused
        case _:
            return Unexpected


def _unless_placeholder(value: datetime | None) -> datetime | None:
    """Leave out a placeholder such as year 1."""
    return None if value is None or value < EARLIEST else value


def _storable(value: int | None) -> int | None:
    if value is not None and abs(value) > _LARGEST:
        raise ValueError(f"{value} is no number that a table holds")
    return value
