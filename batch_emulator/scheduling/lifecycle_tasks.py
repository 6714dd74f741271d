"""Tasks that belong to a node or a job as a whole: start tasks, job preparation and job release tasks.

None of them waits in a queue or takes a slot. They share how they are run, retried and recorded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batch_emulator.execution.attempt import Attempt, perform
from batch_emulator.execution.container_run import container_of, seen_within
from batch_emulator.execution.environment import (
    Account,
    Place,
    node_environment,
    preparation_environment,
    task_environment,
    with_settings,
)
from batch_emulator.execution.outcome import Outcome
from batch_emulator.execution.transfers import Transfers
from batch_emulator.store.jobs import JobRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import LifecycleTaskState
from batch_emulator.values.timestamps import Clock

#: Takes the execution info of a task at each change of it.
type Recorder = Callable[[Document], None]
#: Has the last word on the outcome of a run.
type Amendment = Callable[[Outcome], Outcome]


def as_it_is(outcome: Outcome) -> Outcome:
    return outcome


@dataclass(kw_only=True, eq=False)
class LifecycleTasks:
    """Runs such tasks with their retries. Each method returns the outcome of the last run."""

    clock: Clock
    account: Account
    transfers: Transfers

    async def start(
        self,
        task: Document,
        place: Place,
        record: Recorder,
        amend: Amendment = as_it_is,
    ) -> Outcome:
        """Run a pool's start task on a node."""
        directory = place.directory.start_task()
        container = container_of(task, place)
        service = seen_within(container, node_environment(self.account, place, directory))
        attempt = Attempt(
            command_line=task["commandLine"],
            directory=directory,
            environment=with_settings(service, task.get("environmentSettings", ())),
            resource_files=tuple(task.get("resourceFiles", ())),
            container=container,
        )
        return await self._run(attempt, task["maxTaskRetryCount"], record, amend)

    async def prepare(self, row: JobRow, job: Document, place: Place, record: Recorder) -> Outcome:
        """Run the preparation task of a job, whose stored properties are `job`, on a node."""
        task = job["jobPreparationTask"]
        constraints = task["constraints"]
        attempt = self._attempt(row, job, task, place, constraints["maxWallClockTime"])
        return await self._run(attempt, constraints["maxTaskRetryCount"], record)

    async def release(self, row: JobRow, job: Document, place: Place, record: Recorder) -> Outcome:
        """Run the release task of a job, whose stored properties are `job`, on a node; it is never retried."""
        task = job["jobReleaseTask"]
        prepared = preparation_environment(place, row.id, job)
        attempt = self._attempt(row, job, task, place, task["maxWallClockTime"], prepared)
        return await self._run(attempt, 0, record)

    def _attempt(
        self,
        row: JobRow,
        job: Document,
        task: Document,
        place: Place,
        time_limit: str,
        prepared: Mapping[str, str] = MappingProxyType({}),
    ) -> Attempt:
        directory = place.directory.task(row.id, task["id"])
        container = container_of(task, place)
        node = seen_within(container, node_environment(self.account, place, directory))
        environment = task_environment(node, row.id, task["id"])
        common = job.get("commonEnvironmentSettings", ())
        return Attempt(
            command_line=task["commandLine"],
            directory=directory,
            environment=with_settings({**environment, **prepared}, common, task.get("environmentSettings", ())),
            resource_files=tuple(task.get("resourceFiles", ())),
            time_limit=seconds_of(time_limit),
            container=container,
        )

    async def _run(
        self,
        attempt: Attempt,
        limit: int,
        record: Recorder,
        amend: Amendment = as_it_is,
    ) -> Outcome:
        """Run until the outcome asks for no retry or the limit is reached; a negative one is none."""
        retries = 0
        while True:
            outcome = await self._once(attempt, retries, record, amend)
            if not outcome.may_retry or 0 <= limit <= retries:
                return outcome
            retries += 1

    async def _once(self, attempt: Attempt, retries: int, record: Recorder, amend: Amendment) -> Outcome:
        started = self.clock.stamp()
        info: Document = {"startTime": started, "retryCount": retries}
        if retries:
            info["lastRetryTime"] = started
        record({"state": LifecycleTaskState.RUNNING, **info})
        outcome = amend(await perform(attempt, self.transfers))
        end = {"endTime": self.clock.stamp(), **outcome.document()}
        record({"state": LifecycleTaskState.COMPLETED, **info, **end})
        return outcome
