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
    #: A resize is being stopped where it is.
    STOPPING = "stopping"


class PoolLifetime(StrEnum):
    #: An automatic pool serves one job, and ends with it.
    JOB = "job"
    #: An automatic pool serves all jobs of a schedule, and ends with the schedule.
    JOB_SCHEDULE = "jobschedule"


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
    #: It is being removed from its pool.
    LEAVING_POOL = "leavingpool"
    #: Being started again, with its files.
    REBOOTING = "rebooting"
    #: Being started again, without its files.
    REIMAGING = "reimaging"
    #: Its scheduling is disabled and nothing runs here.
    OFFLINE = "offline"
    #: A spot node whose machine was taken back.
    PREEMPTED = "preempted"
    #: Broken: no task runs here.
    UNUSABLE = "unusable"
    #: The service has lost contact with it.
    UNKNOWN = "unknown"
    #: Its machine is being given back, the node is kept.
    DEALLOCATING = "deallocating"
    #: Without a machine until it is started.
    DEALLOCATED = "deallocated"
    #: A state of the service that the emulator is never in; list filters may name it.
    UPGRADING_OS = "upgradingos"


class SchedulingState(StrEnum):
    #: Tasks may be put on the node.
    ENABLED = "enabled"
    #: No new tasks are put on the node.
    DISABLED = "disabled"


class DeallocationOption(StrEnum):
    """What happens to the tasks of a node that is going to stop or to leave."""

    #: They are ended and go back to the queue.
    REQUEUE = "requeue"
    #: They are ended and completed as failed.
    TERMINATE = "terminate"
    #: The node waits until they are over.
    TASK_COMPLETION = "taskcompletion"
    #: The node waits until they are over and their files have expired.
    RETAINED_DATA = "retaineddata"


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


class JobScheduleState(StrEnum):
    #: Its jobs are created when they are due.
    ACTIVE = "active"
    #: It creates no jobs; one that it created goes on.
    DISABLED = "disabled"
    #: Its job is being ended at the user's request.
    TERMINATING = "terminating"
    #: It has ended, and creates no jobs any more.
    COMPLETED = "completed"
    #: Its jobs are being removed; gone when that is done.
    DELETING = "deleting"


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


class LifecycleTaskState(StrEnum):
    """The states of start, job preparation and job release tasks on a node, and of the subtasks of a task."""

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


class TaskFailureMode(StrEnum):
    NO_ACTION = "noaction"
    PERFORM_EXIT_OPTIONS_JOB_ACTION = "performexitoptionsjobaction"


class JobAction(StrEnum):
    """What the end of a task does to its job."""

    NONE = "none"
    #: As the user may, with running tasks requeued.
    DISABLE = "disable"
    TERMINATE = "terminate"


class DependencyAction(StrEnum):
    """What the end of a task does to the tasks that depend on it."""

    #: They need not wait for it any more.
    SATISFY = "satisfy"
    #: They go on waiting.
    BLOCK = "block"


class AllTasksComplete(StrEnum):
    NO_ACTION = "noaction"
    TERMINATE_JOB = "terminatejob"


class UploadCondition(StrEnum):
    """When to upload; spelled as recordings of the real service show it, whatever the client sent."""

    #: The command ended with exit code 0.
    TASK_SUCCESS = "TaskSuccess"
    #: The command ended with another exit code.
    TASK_FAILURE = "TaskFailure"
    #: The command ended.
    TASK_COMPLETION = "TaskCompletion"
