"""What a job says about its tasks: read once for all tasks of a request."""

from dataclasses import dataclass, field
from typing import Final, Self

from batch_emulator.errors import BatchError, ErrorCode, invalid_property
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import UNLIMITED
from batch_emulator.values.states import TaskFailureMode

#: The longest taskIds collection, in characters (SDK documentation of BatchTaskDependencies).
_LONGEST_LIST: Final = 64_000


@dataclass(frozen=True, kw_only=True)
class TaskRules:
    """The constraints that tasks inherit, and what they may ask for.

    `reserved` are the ids, in lower case, that no task may have, each with its error;
    `without_dependencies` is the error of a task that depends on others in a job that does not allow it.
    """

    constraints: Document
    uses_dependencies: bool
    has_exit_actions: bool
    reserved: dict[str, ErrorCode] = field(default_factory=dict)
    without_dependencies: ErrorCode = ErrorCode.TASK_DEPENDENCIES_NOT_SPECIFIED_ON_JOB

    @classmethod
    def of_job(cls, job: Document) -> Self:
        """Return the rules of a job by its stored properties."""
        return cls(
            # A job's time limit is its own; the number of retries is what its tasks inherit.
            constraints={
                "maxWallClockTime": UNLIMITED,
                "maxTaskRetryCount": job["constraints"]["maxTaskRetryCount"],
            },
            uses_dependencies=job["usesTaskDependencies"],
            reserved=reserved_ids(job),
            has_exit_actions=job["onTaskFailure"] == TaskFailureMode.PERFORM_EXIT_OPTIONS_JOB_ACTION,
        )

    def check(self, task: Document) -> None:
        """Raise the error of a task that the job does not allow."""
        if error := self.reserved.get(task["id"].lower()):
            raise BatchError(error)
        if depends_on := task.get("dependsOn"):
            self._check_dependencies(depends_on)
        if not self.has_exit_actions and (conditions := task.get("exitConditions")):
            _check_no_action(conditions)

    def _check_dependencies(self, depends_on: Document) -> None:
        if not self.uses_dependencies and any(depends_on.get(name) for name in ("taskIds", "taskIdRanges")):
            raise BatchError(self.without_dependencies, PropertyName="dependsOn")
        if sum(map(len, depends_on.get("taskIds", ()))) > _LONGEST_LIST:
            raise BatchError(ErrorCode.TASK_DEPENDENCY_LIST_TOO_LONG)


def _check_no_action(conditions: Document) -> None:
    """Refuse a job action that could never be taken (SDK documentation of ExitOptions.jobAction)."""
    mappings = [*conditions.get("exitCodes", ()), *conditions.get("exitCodeRanges", ())]
    named = [conditions.get(name, {}) for name in ("preProcessingError", "fileUploadError", "default")]
    for options in [*(mapping["exitOptions"] for mapping in mappings), *named]:
        if "jobAction" in options:
            reason = "The job's onTaskFailure is not performexitoptionsjobaction"
            raise invalid_property("exitConditions", options["jobAction"], reason)


def reserved_ids(job: Document) -> dict[str, ErrorCode]:
    """Return the ids, in lower case, that no task of the job may have, each with its error."""
    ids = {}
    if task := job.get("jobReleaseTask"):
        ids[task["id"].lower()] = ErrorCode.TASK_ID_SAME_AS_JOB_RELEASE_TASK
    if task := job.get("jobPreparationTask"):
        ids[task["id"].lower()] = ErrorCode.TASK_ID_SAME_AS_JOB_PREPARATION_TASK
    return ids
