"""Start tasks: what a pool runs on each of its nodes as they boot."""

import json
from collections import Counter
from dataclasses import dataclass, field

from batch_emulator.execution.attempt import Attempt, perform
from batch_emulator.execution.environment import Place, node_environment, with_settings
from batch_emulator.execution.outcome import Outcome, exit_failure
from batch_emulator.scheduling.runs import Runs
from batch_emulator.values.documents import Document
from batch_emulator.values.states import StartTaskState, TaskResult


@dataclass(kw_only=True, eq=False)
class StartTasks:
    """Runs start tasks with their retries and records each run on the node.

    ``spoiled`` counts, by the pool's id in lower case, the coming runs that fail whatever their command does.
    """

    runs: Runs
    spoiled: Counter[str] = field(default_factory=Counter)

    async def run(self, no: int, place: Place, task: Document) -> bool:
        """Run the start task of a node; tell whether it succeeded in the end."""
        retries = 0
        while True:
            outcome = await self._once(no, place, task, retries)
            limit = task["maxTaskRetryCount"]
            if not outcome.may_retry or 0 <= limit <= retries:
                return outcome.failure is None
            retries += 1

    async def _once(self, no: int, place: Place, task: Document, retries: int) -> Outcome:
        started = self.runs.clock.stamp()
        info: Document = {"startTime": started, "retryCount": retries}
        if retries:
            info["lastRetryTime"] = started
        self._note(no, {"state": StartTaskState.RUNNING, **info})
        outcome = await perform(self._attempt(place, task), self.runs.transfers)
        if self._is_spoiled(place.pool_id):
            outcome = Outcome(exit_code=1, failure=exit_failure())
        info = {"state": StartTaskState.COMPLETED, **info, "endTime": self.runs.clock.stamp()}
        self._note(no, {**info, **_end(outcome)})
        return outcome

    def _attempt(self, place: Place, task: Document) -> Attempt:
        directory = place.directory.start_task()
        service = node_environment(self.runs.account, place, directory)
        return Attempt(
            command_line=task["commandLine"],
            directory=directory,
            environment=with_settings(service, task.get("environmentSettings", ())),
            resource_files=tuple(task.get("resourceFiles", ())),
            needs_container="containerSettings" in task,
        )

    def _is_spoiled(self, pool_id: str) -> bool:
        key = pool_id.lower()
        if not self.spoiled[key]:
            return False
        self.spoiled[key] -= 1
        return True

    def _note(self, no: int, info: Document) -> None:
        self.runs.store.nodes.set_start_task_info(no, json.dumps(info))


def _end(outcome: Outcome) -> Document:
    end: Document = {"result": TaskResult.FAILURE if outcome.failure else TaskResult.SUCCESS}
    if outcome.exit_code is not None:
        end["exitCode"] = outcome.exit_code
    if outcome.failure:
        end["failureInfo"] = outcome.failure.document()
    return end
