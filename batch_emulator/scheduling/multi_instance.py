"""Multi-instance tasks: one task on several nodes at once.

https://learn.microsoft.com/azure/batch/batch-mpi
"""

import asyncio
import json
from dataclasses import dataclass, field, replace

from batch_emulator.execution.attempt import KILLED, Attempt, perform
from batch_emulator.execution.coordination import Coordination, coordinate, end_background
from batch_emulator.execution.directories import RunDirectory
from batch_emulator.execution.environment import Account, Cluster, node_environment
from batch_emulator.execution.outcome import Outcome, ended_by_time_limit, ended_by_user
from batch_emulator.execution.transfers import Transfers
from batch_emulator.scheduling.capacity import Node
from batch_emulator.scheduling.run import Ending, Run
from batch_emulator.store.state import Store
from batch_emulator.store.subtasks import SubtaskRow
from batch_emulator.values.documents import Document
from batch_emulator.values.states import LifecycleTaskState
from batch_emulator.values.timestamps import Clock


class _SubtaskError(Exception):
    """The coordination command has failed on a node."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass(kw_only=True, eq=False)
class Instances:
    """A multi-instance task on its nodes, now; the first of them is the master, where the primary runs."""

    store: Store
    clock: Clock
    account: Account
    transfers: Transfers
    run: Run
    attempt: Attempt
    started: str
    _ended: dict[int, Outcome] = field(default_factory=dict)

    async def perform(self) -> Outcome:
        """Run the coordination command everywhere, then the task's command on the master."""
        self.store.subtasks.forget(self.run.job.no, self.run.task.no)
        for number in range(1, len(self.run.nodes)):
            self._note(number, {"state": LifecycleTaskState.RUNNING, "stateTransitionTime": self.started})
        try:
            async with asyncio.timeout(self.attempt.time_limit):
                outcome = await self._coordinate() or await self._perform_primary()
        except TimeoutError:
            outcome = Outcome(exit_code=KILLED, failure=ended_by_time_limit())
        except asyncio.CancelledError:
            if self.run.ending is Ending.TERMINATE:
                self._end_subtasks()
            else:
                self.store.subtasks.forget(self.run.job.no, self.run.task.no)
            raise
        finally:
            await asyncio.shield(self._end_background())
        self._end_subtasks()
        return outcome

    async def _coordinate(self) -> Outcome | None:
        """Return the failure that ends the whole task, None where every node is ready."""
        failed: list[Outcome] = []
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(len(self.run.nodes)):
                    group.create_task(self._coordinate_one(number))
        except* _SubtaskError as errors:
            failed += [exc.outcome for exc in errors.exceptions if isinstance(exc, _SubtaskError)]
        return failed[0] if failed else None

    async def _coordinate_one(self, number: int) -> None:
        settings = json.loads(self.run.task.document)["multiInstanceSettings"]
        coordination = Coordination(
            command_line=settings["coordinationCommandLine"],
            directory=self._directory(number),
            environment=self._environment(number),
            resource_files=tuple(settings.get("commonResourceFiles", ())),
        )
        outcome = self._ended[number] = await coordinate(coordination, self.transfers)
        if outcome.failure is not None:
            raise _SubtaskError(outcome)

    async def _perform_primary(self) -> Outcome:
        environment = self._environment(0)
        attempt = replace(self.attempt, environment=environment, time_limit=None, continues=True)
        return await perform(attempt, self.transfers)

    def _directory(self, number: int) -> RunDirectory:
        node = self.run.nodes[number]
        return node.place.directory.task(self.run.job.id, self.run.task.id)

    def _environment(self, number: int) -> dict[str, str]:
        """Return the task's environment as it is on one node: with the node's own directories."""
        node, directory = self.run.nodes[number], self._directory(number)
        own = node_environment(self.account, node.place, directory)
        cluster = Cluster(addresses=tuple(map(self._address, self.run.nodes)), shared=directory.root)
        return {**self.attempt.environment, **own, **cluster.environment(number)}

    def _address(self, node: Node) -> str:
        """Return an address of this machine for a node, unlike its private one that nobody could reach."""
        row = self.store.nodes.by_number(node.no)
        return f"127{row.ip_address.removeprefix('10')}" if row else "127.0.0.1"

    async def _end_background(self) -> None:
        for number in range(len(self.run.nodes)):
            await end_background(self._directory(number))

    def _end_subtasks(self) -> None:
        """Note the end of the subtasks: they end with the primary."""
        now = self.clock.stamp()
        before = {"previousState": LifecycleTaskState.RUNNING, "previousStateTransitionTime": self.started}
        for number in range(1, len(self.run.nodes)):
            outcome = self._ended.get(number, Outcome(failure=ended_by_user()))
            info = {"state": LifecycleTaskState.COMPLETED, "stateTransitionTime": now, "endTime": now, **before}
            self._note(number, {**info, **outcome.document()})

    def _note(self, number: int, info: Document) -> None:
        place = self.run.nodes[number].place
        shown = json.dumps({"startTime": self.started, **info})
        row = SubtaskRow(id=number, pool_id=place.pool_id, node_id=place.node_id, info=shown)
        self.store.subtasks.note(self.run.job.no, self.run.task.no, row)
