"""Starts, ends and records the runs of tasks."""

import asyncio
import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from batch_emulator.execution.attempt import KILLED, Attempt, perform
from batch_emulator.execution.container_run import container_of, seen_within
from batch_emulator.execution.directories import RunDirectory
from batch_emulator.execution.environment import (
    Account,
    node_environment,
    preparation_environment,
    task_environment,
    token_environment,
    with_settings,
)
from batch_emulator.execution.outcome import Outcome, ended_by_user, inside_emulator
from batch_emulator.execution.transfers import Transfers
from batch_emulator.model.jobs import JOB_MANAGER_COMPLETED
from batch_emulator.model.package_references import references_of
from batch_emulator.model.task_rules import TaskRules
from batch_emulator.scheduling.claims import ends_job
from batch_emulator.scheduling.events import Due, Events, RunEnded
from batch_emulator.scheduling.exit_actions import ENDED_BY_USER, ExitActions, exit_actions
from batch_emulator.scheduling.multi_instance import Instances
from batch_emulator.scheduling.preparations import Preparations
from batch_emulator.scheduling.run import Ending, Run
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import DependencyAction, JobAction, NodeState
from batch_emulator.values.timestamps import Clock, later

logger = logging.getLogger(__name__)

#: Processes are started this many at a time, so that a full pool does not hold up requests.
_STARTS_AT_ONCE: Final = 4


@dataclass(kw_only=True, eq=False)
class Runs:
    """Starts, ends and records runs; announces the end of each, and when a task's files fall due."""

    store: Store
    clock: Clock
    account: Account
    transfers: Transfers
    preparations: Preparations
    events: Events
    _by_task: dict[int, Run] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STARTS_AT_ONCE))

    def assign(self, run: Run, *, prepared: bool) -> None:
        """Record that a task is on a node; `launch` starts it once that is committed."""
        now = self.clock.stamp()
        if prepared:
            self._start(run, now)
        else:
            self.store.tasks.prepare(run.task.no, run.node.place.pool_id, run.node.place.node_id, now)
        for node in run.nodes:
            self.store.nodes.set_state(node.no, NodeState.RUNNING, now)
            node.take(run.slots)
            node.recent.append((run.task.no, run.job.id))
        self._by_task[run.task.no] = run

    def _start(self, run: Run, now: str) -> None:
        self.store.tasks.start(run.task, run.node.place.pool_id, run.node.place.node_id, now)
        run.is_started = True

    def launch(self, run: Run) -> None:
        name = f"task {run.job.id}/{run.task.id}"
        run.worker = asyncio.create_task(self._perform(run), name=name)
        # A callback, because a worker that is cancelled before its first step never gets to run.
        run.worker.add_done_callback(lambda worker: self._finish(run, self._outcome(run, worker)))

    def of_task(self, no: int) -> Run | None:
        return self._by_task.get(no)

    def of_job(self, job_no: int) -> list[Run]:
        return [run for run in self._by_task.values() if run.job.no == job_no]

    def of_nodes(self, numbers: set[int]) -> list[Run]:
        return [run for run in self._by_task.values() if any(node.no in numbers for node in run.nodes)]

    def all(self) -> list[Run]:
        return list(self._by_task.values())

    async def end(self, runs: Iterable[Run], ending: Ending) -> None:
        """End runs with all their processes; return when that is done and recorded."""
        workers = []
        for run in runs:
            run.ending = run.ending or ending
            if run.worker is not None:
                run.worker.cancel()
                workers.append(run.worker)
        await asyncio.gather(*workers, return_exceptions=True)

    async def wait(self, runs: Iterable[Run]) -> None:
        """Return when these runs have ended by themselves and that is recorded."""
        workers = [run.worker for run in runs if run.worker is not None]
        await asyncio.gather(*map(asyncio.shield, workers), return_exceptions=True)

    def _outcome(self, run: Run, worker: asyncio.Task[Outcome]) -> Outcome | None:
        """Return how the command ended, None if the run was ended before."""
        if worker.cancelled():
            run.ending = run.ending or Ending.DISCARD
            return None
        if (exc := worker.exception()) is not None:
            ids = {"task_id": run.task.id, "job_id": run.job.id}
            logger.error("A run failed inside the emulator", exc_info=exc, extra=ids)
            return Outcome(failure=inside_emulator())
        return worker.result()

    async def _perform(self, run: Run) -> Outcome:
        if "jobPreparationTask" in run.job_document and not await self.preparations.ready(run):
            run.ending = run.ending or Ending.UNPREPARED
            return Outcome()
        if not run.is_started:
            self._start(run, self.clock.stamp())
        async with self._gate:
            attempt = self._attempt(run)
            # Lets requests in between two starts.
            await asyncio.sleep(0)
        if run.is_multi_instance:
            return await self._instances(run, attempt).perform()
        return await perform(attempt, self.transfers)

    def _instances(self, run: Run, attempt: Attempt) -> Instances:
        return Instances(
            store=self.store,
            clock=self.clock,
            account=self.account,
            transfers=self.transfers,
            run=run,
            attempt=attempt,
            started=self.clock.stamp(),
        )

    def _attempt(self, run: Run) -> Attempt:
        task = json.loads(run.task.document)
        directory = self._directory(run)
        container = container_of(task, run.node.place)
        node = seen_within(container, node_environment(self.account, run.node.place, directory))
        environment = task_environment(node, run.job.id, run.task.id)
        environment |= preparation_environment(run.node.place, run.job.id, run.job_document)
        environment |= token_environment(task)
        common = run.job_document.get("commonEnvironmentSettings", ())
        return Attempt(
            command_line=task["commandLine"],
            directory=directory,
            environment=with_settings(environment, common, task.get("environmentSettings", ())),
            resource_files=tuple(task.get("resourceFiles", ())),
            output_files=tuple(task.get("outputFiles", ())),
            packages=tuple(references_of(task)),
            node=run.node.place.directory,
            time_limit=seconds_of(task["constraints"]["maxWallClockTime"]),
            container=container,
        )

    def _directory(self, run: Run) -> RunDirectory:
        return run.node.place.directory.task(run.job.id, run.task.id)

    def _finish(self, run: Run, outcome: Outcome | None) -> None:
        """Free the slots and record the end in one transaction, then announce it."""
        del self._by_task[run.task.no]
        for node in run.nodes:
            node.release(run.slots)
        with self.store.transaction():
            now = self.clock.stamp()
            self._record(run, outcome, now)
            for node in run.nodes:
                if not node.runs:
                    self.store.nodes.set_quiet(node.no, now)
        self.events.announce(RunEnded(run=run))

    def _record(self, run: Run, outcome: Outcome | None, now: str) -> None:
        if run.ending is Ending.DISCARD:
            return
        if run.ending is Ending.REQUEUE:
            self.store.tasks.requeue(run.task.no, now)
            return
        if run.ending is Ending.UNPREPARED:
            self.store.tasks.put_back(run.task.no, now)
            return
        by_user = run.ending is Ending.TERMINATE or outcome is None
        if by_user or outcome is None:
            outcome = Outcome(exit_code=KILLED, failure=ended_by_user())
            # A task that is ended as it starts is seen running, and so its files can be read.
            with suppress(OSError):
                self._directory(run).prepare_unless_there()
        self.store.nodes.count_run(run.node.no, succeeded=outcome.failure is None)
        if outcome.may_retry and self._has_retries(run.task):
            self.store.tasks.retry(run.task.no, now)
        else:
            self._complete(run.task, outcome, now, by_user=by_user)
            self._react(run, ENDED_BY_USER if by_user else exit_actions(outcome, _exit_conditions(run.task)))

    def _has_retries(self, task: TaskRow) -> bool:
        limit = json.loads(task.document)["constraints"]["maxTaskRetryCount"]
        return bool(limit < 0 or task.retries < limit)

    def _react(self, run: Run, actions: ExitActions) -> None:
        """Release dependent tasks; note what happens to the job once this is committed."""
        rules = TaskRules.of_job(run.job_document)
        if rules.has_exit_actions:
            run.job_action = actions.job
        if ends_job(run.task, run.job_document):
            run.job_action, run.job_reason = JobAction.TERMINATE, JOB_MANAGER_COMPLETED
        if rules.uses_dependencies and actions.dependents is DependencyAction.SATISFY:
            self.store.dependencies.satisfy(run.job.no, run.task.id, run.task.no)

    def _complete(self, task: TaskRow, outcome: Outcome, now: str, *, by_user: bool) -> None:
        failure = json.dumps(outcome.failure.document()) if outcome.failure else None
        self.store.tasks.complete(task.no, time=now, exit_code=outcome.exit_code, failure=failure, by_user=by_user)
        if until := retention_end(task, now):
            self.store.tasks.keep_files_until(task.no, until)
            self.events.announce(Due(time=until))


def _exit_conditions(task: TaskRow) -> Document:
    return dict(json.loads(task.document).get("exitConditions", {}))


def retention_end(task: TaskRow, completed: str) -> str | None:
    """Return when a task's files may go, None for never."""
    return later(completed, seconds_of(json.loads(task.document)["constraints"]["retentionTime"]))
