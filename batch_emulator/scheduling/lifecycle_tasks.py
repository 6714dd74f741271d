"""Runs one of a job's own tasks, its preparation or release task, on one node."""

from collections.abc import Callable
from dataclasses import dataclass

from batch_emulator.execution.attempt import Attempt, perform
from batch_emulator.execution.environment import (
    Place,
    node_environment,
    preparation_environment,
    task_environment,
    with_settings,
)
from batch_emulator.execution.outcome import Outcome
from batch_emulator.scheduling.runs import Runs
from batch_emulator.store.jobs import JobRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import JobTaskState, TaskResult


@dataclass(frozen=True, kw_only=True)
class JobTask:
    """A task of a job's own: ``task`` holds its properties, ``job`` the job's; the limit in seconds."""

    row: JobRow
    job: Document
    task: Document
    place: Place
    time_limit: float | None

    @classmethod
    def preparation(cls, row: JobRow, job: Document, place: Place) -> "JobTask":
        task = job["jobPreparationTask"]
        limit = seconds_of(task["constraints"]["maxWallClockTime"])
        return cls(row=row, job=job, task=task, place=place, time_limit=limit)

    @classmethod
    def release(cls, row: JobRow, job: Document, place: Place) -> "JobTask":
        task = job["jobReleaseTask"]
        return cls(row=row, job=job, task=task, place=place, time_limit=seconds_of(task["maxWallClockTime"]))


async def run_job_task(runs: Runs, job_task: JobTask, note: Callable[[Document], None]) -> Outcome:
    """Run a job's own task with its retries; ``note`` takes its execution info at each change."""
    limit = job_task.task.get("constraints", {}).get("maxTaskRetryCount", 0)
    retries = 0
    while True:
        outcome = await _once(runs, job_task, retries, note)
        if not outcome.may_retry or 0 <= limit <= retries:
            return outcome
        retries += 1


async def _once(runs: Runs, job_task: JobTask, retries: int, note: Callable[[Document], None]) -> Outcome:
    started = runs.clock.stamp()
    info: Document = {"startTime": started, "retryCount": retries}
    if retries:
        info["lastRetryTime"] = started
    note({"state": JobTaskState.RUNNING, **info})
    outcome = await perform(_attempt(runs, job_task), runs.transfers)
    note({"state": JobTaskState.COMPLETED, **info, "endTime": runs.clock.stamp(), **_end(outcome)})
    return outcome


def _attempt(runs: Runs, job_task: JobTask) -> Attempt:
    task, job, place = job_task.task, job_task.job, job_task.place
    directory = place.directory.task(job_task.row.id, task["id"])
    environment = task_environment(node_environment(runs.account, place, directory), job_task.row.id, task["id"])
    if task is not job["jobPreparationTask"]:
        environment |= preparation_environment(place, job_task.row.id, job)
    common = job.get("commonEnvironmentSettings", ())
    return Attempt(
        command_line=task["commandLine"],
        directory=directory,
        environment=with_settings(environment, common, task.get("environmentSettings", ())),
        resource_files=tuple(task.get("resourceFiles", ())),
        time_limit=job_task.time_limit,
        needs_container="containerSettings" in task,
    )


def _end(outcome: Outcome) -> Document:
    end: Document = {"result": TaskResult.FAILURE if outcome.failure else TaskResult.SUCCESS}
    if outcome.exit_code is not None:
        end["exitCode"] = outcome.exit_code
    if outcome.failure:
        end["failureInfo"] = outcome.failure.document()
    return end
