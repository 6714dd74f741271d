"""The states of every resource: one enumeration each, with the service's spelling."""

from enum import StrEnum


class PoolState(StrEnum):
    #: Its nodes may run tasks.
    ACTIVE = "active"
    #: Its nodes are being ended; gone when that is done.
    DELETING = "deleting"


class AllocationState(StrEnum):
    #: The pool has the nodes it asked for.
    STEADY = "steady"
    #: Nodes are being added or removed.
    RESIZING = "resizing"


class NodeState(StrEnum):
    #: Allocated, not yet booted.
    CREATING = "creating"
    #: Booting.
    STARTING = "starting"
    #: The start task runs and the pool waits for it.
    WAITING_FOR_START_TASK = "waitingforstarttask"
    #: The start task failed and the pool waits for it: no task runs here.
    START_TASK_FAILED = "starttaskfailed"
    #: Ready, with nothing to do.
    IDLE = "idle"
    #: At least one task runs here.
    RUNNING = "running"
    #: Its pool is being deleted.
    LEAVING_POOL = "leavingpool"
    #: States of the service that the emulator cannot be in yet; list filters may name them.
    REBOOTING = "rebooting"
    REIMAGING = "reimaging"
    OFFLINE = "offline"
    PREEMPTED = "preempted"
    UNUSABLE = "unusable"
    UNKNOWN = "unknown"
    UPGRADING_OS = "upgradingos"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


class JobState(StrEnum):
    #: Its tasks are scheduled.
    ACTIVE = "active"
    #: Its running tasks are being ended; none starts.
    TERMINATING = "terminating"
    #: Nothing of it runs any more; it takes no new tasks.
    COMPLETED = "completed"
    #: Its tasks and files are being removed; gone when that is done.
    DELETING = "deleting"
    #: No task starts; what runs is being dealt with as the user asked.
    DISABLING = "disabling"
    #: Nothing runs and nothing starts.
    DISABLED = "disabled"
    #: About to be active again.
    ENABLING = "enabling"


class TaskState(StrEnum):
    #: Waiting for a free slot, for the first time or for a retry.
    ACTIVE = "active"
    #: Assigned to a node, waiting for its job's preparation task.
    PREPARING = "preparing"
    #: On a node: downloading its files or running its command.
    RUNNING = "running"
    #: Over, with or without success.
    COMPLETED = "completed"


class TaskResult(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


class StartTaskState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"


class NodeFillType(StrEnum):
    #: Tasks go to the node with the most free slots.
    SPREAD = "spread"
    #: Tasks go to the node with the fewest free slots that suffice.
    PACK = "pack"


class DisableTasks(StrEnum):
    """What happens to the running tasks of a job that is being disabled."""

    #: They are ended, and run again when the job is enabled.
    REQUEUE = "requeue"
    #: They are ended, and complete as ended by the user.
    TERMINATE = "terminate"
    #: They run to their end.
    WAIT = "wait"


class AllTasksComplete(StrEnum):
    NO_ACTION = "noaction"
    TERMINATE_JOB = "terminatejob"
