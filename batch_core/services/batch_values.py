"""Tasks, pools and files of Batch as the app knows them. Times are aware and UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from azure.batch.models import AllocationState, BatchJobState, BatchNodeState, BatchPoolState


@dataclass(frozen=True, kw_only=True)
class TaskResource:
    """What a node downloads before a task runs: one of the first three is set.

    It is read with the pool's managed identity if `identity_resource_id` (its ARM id) is not empty; else a URL must
    give access itself, and is a secret.
    """

    url: str = ""
    container_url: str = ""
    auto_storage_container: str = ""
    prefix: str = ""
    #: Where it is put, relative to the task's working directory.
    path: str
    identity_resource_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Files that a node uploads when a command has ended; `container_url` is a secret where there is no identity."""

    pattern: str
    container_url: str
    #: Of the blob, or of the folder where the pattern has wildcards.
    path: str
    #: tasksuccess, taskfailure or taskcompletion.
    condition: str
    identity_resource_id: str
    #: Of the blobs; empty: as Storage takes it.
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskContainer:
    """What a task runs in; without an identity the image is pulled as anybody, or as the pool says."""

    image: str
    options: str
    registry: str
    identity_resource_id: str


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to be added: a command line, and what the node downloads before it runs, its own file first."""

    task_id: str
    command_line: str
    environment: Mapping[str, str]
    resources: Sequence[TaskResource]
    max_wall_clock_time: timedelta
    retention_time: timedelta
    required_slots: int = 1
    max_retries: int = 0
    #: Whose account the command runs under: `task` or `pool` (https://learn.microsoft.com/azure/batch/batch-user-accounts).
    user_scope: str = "task"
    is_elevated: bool = False
    uploads: Sequence[Upload] = ()
    container: TaskContainer | None = None
    #: Other properties, as Batch names them.
    verbatim: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job: its state in the service's word, the pool of its tasks and their priority."""

    state: str
    pool_id: str
    priority: int

    @property
    def is_disabled(self) -> bool:
        """Whether its tasks do not run for now."""
        return self.state in {BatchJobState.DISABLED, BatchJobState.DISABLING}

    @property
    def has_ended(self) -> bool:
        """Whether what is active in it stays so and will never run.

        https://learn.microsoft.com/rest/api/batchservice/jobs/terminate-job
        """
        return self.state == BatchJobState.COMPLETED


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task failed, in Batch's own words."""

    category: str
    code: str | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a task ran. One that was stopped, or that could not be started, has no exit code."""

    is_success: bool
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    failure: Failure | None
    #: How often the task was put back into its queue before that.
    requeues: int


@dataclass(frozen=True, kw_only=True)
class CompletedTask:
    """A completed task: when it completed (or was changed last, as the service says), where and how.

    `execution` is None if it was completed before it ever ran.
    """

    task_id: str
    completed_at: datetime
    node_id: str | None
    execution: Execution | None
    #: How long its command may run.
    time_limit: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class LiveTask:
    """A task that is not completed: its state in the service's word, its node and start, if it has them.

    `requeues` is how often it was put back into its queue.
    """

    state: str
    requeues: int = 0
    node_id: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CurrentTask:
    """A task that need not be completed: its state in the service's word, its node and start, if it has them."""

    state: str
    requeues: int
    node_id: str | None
    started_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """How many nodes a pool has: all, and those able to run tasks, on their way, and in trouble."""

    total: int = 0
    able: int = 0
    starting: int = 0
    start_task_failed: int = 0
    unusable: int = 0
    #: Spot nodes whose machines were taken away.
    preempted: int = 0
    #: Of those able to run tasks, the ones that run none.
    idle: int = 0


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Tasks of a job that have not ended, and the task slots that they take."""

    tasks: int
    slots: int


@dataclass(frozen=True, kw_only=True)
class PoolMachine:
    """What the nodes of a pool are made of."""

    vm_size: str
    #: publisher:offer:sku; None: an image of one's own.
    image: str | None
    node_agent: str
    runs_containers: bool
    #: The whole of it: publisher:offer:sku:version, or a resource id.
    image_reference: str = ""
    slots_per_node: int = 1
    #: Those that are pulled before any task needs them.
    container_images: tuple[str, ...] = ()
    #: The start task's command line, which may hold secrets; None: it has no start task.
    start_command: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class PoolStatus:
    """A pool: its states in the service's words, the nodes that it has and is to have, its resize errors."""

    id: str
    state: str
    allocation_state: str
    nodes: int
    target: int
    errors: tuple[str, ...]
    #: Of the nodes that it is to have, those that are Spot nodes.
    spot_target: int = 0
    #: Of those that it has.
    spot_nodes: int = 0
    slots_per_node: int = 1
    #: By an autoscale formula, so that nobody else can resize it.
    scales_itself: bool = False
    machine: PoolMachine | None = None

    @property
    def is_active(self) -> bool:
        return self.state == BatchPoolState.ACTIVE

    @property
    def is_deleting(self) -> bool:
        return self.state == BatchPoolState.DELETING

    @property
    def is_steady(self) -> bool:
        return self.allocation_state == AllocationState.STEADY


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node: its state in the service's word, and since when it is in it."""

    id: str
    state: str
    since: datetime
    is_dedicated: bool
    #: It may be given tasks.
    is_open: bool
    #: Tasks that run on it, and the slots that they take.
    tasks: int = 0
    slots: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs on it; one that is closed to tasks is then called offline."""
        return self.state in {BatchNodeState.IDLE, BatchNodeState.OFFLINE}

    @property
    def is_broken(self) -> bool:
        """Whether it runs nothing as it is: a Spot node without a machine, or one in trouble that Batch knows of.

        https://learn.microsoft.com/azure/batch/nodes-and-pools#nodes
        """
        return self.state in {BatchNodeState.PREEMPTED, BatchNodeState.START_TASK_FAILED, BatchNodeState.UNUSABLE}

    @property
    def is_unusable(self) -> bool:
        return self.state == BatchNodeState.UNUSABLE


@dataclass(frozen=True, kw_only=True)
class FileProperties:
    """What distinguishes a file's content: its size in bytes, when it was last modified (to the second)."""

    size: int
    modified: datetime
