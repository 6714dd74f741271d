"""What the end of a task means for its job and for the tasks that depend on it.

https://learn.microsoft.com/azure/batch/batch-task-dependencies#dependency-actions and the SDK's
documentation of ExitConditions and ExitOptions.
"""

from dataclasses import dataclass
from typing import Final

from batch_emulator.execution.outcome import Outcome
from batch_emulator.values.documents import Document
from batch_emulator.values.states import DependencyAction, JobAction


@dataclass(frozen=True, kw_only=True)
class ExitActions:
    """What the end of a task does to its job and to the tasks that depend on it."""

    job: JobAction
    dependents: DependencyAction


#: A user who ends a task decides about the job, too: it stays as it is. The SDK's own `test_batch_tasks` ends a task
#: in a job with `performExitOptionsJobAction` and reactivates it; no recording was found.
ENDED_BY_USER: Final = ExitActions(job=JobAction.NONE, dependents=DependencyAction.BLOCK)


def exit_actions(outcome: Outcome, conditions: Document) -> ExitActions:
    """Return the actions at the end of a task with these `exitConditions`.

    Where they say nothing, success lets dependent tasks run, and failure blocks them and terminates
    the job (if the job takes exit actions at all).
    """
    options = _options_for(outcome, conditions)
    failed = outcome.failure is not None
    usual = DependencyAction.BLOCK if failed else DependencyAction.SATISFY
    return ExitActions(
        job=JobAction(options.get("jobAction", JobAction.TERMINATE if failed else JobAction.NONE)),
        dependents=DependencyAction(options.get("dependencyAction", usual)),
    )


def _options_for(outcome: Outcome, conditions: Document) -> Document:
    """Return the options of the condition that holds; an exit code comes before an upload error."""
    if (named := _by_code(outcome.exit_code, conditions)) is not None:
        return named
    if outcome.failure is None:
        return {}
    default: Document = conditions.get("default", {})
    if outcome.failure.is_file_upload:
        return dict(conditions.get("fileUploadError", default))
    if outcome.exit_code is None:
        return dict(conditions.get("preProcessingError", default))
    return default


def _by_code(code: int | None, conditions: Document) -> Document | None:
    if code is None:
        return None
    for mapping in conditions.get("exitCodes", ()):
        if mapping["code"] == code:
            return dict(mapping["exitOptions"])
    for mapping in conditions.get("exitCodeRanges", ()):
        if mapping["start"] <= code <= mapping["end"]:
            return dict(mapping["exitOptions"])
    return None
