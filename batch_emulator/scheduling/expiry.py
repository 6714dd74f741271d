"""What ends by the clock: the files of completed tasks, and jobs with a time limit."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from batch_emulator.execution.directories import NodeDirectories
from batch_emulator.model.jobs import MAX_WALL_CLOCK_TIME_EXPIRY
from batch_emulator.scheduling.events import Due
from batch_emulator.scheduling.jobs import JobLife
from batch_emulator.store.state import Store
from batch_emulator.store.tasks import TaskRow
from batch_emulator.values.states import JobState
from batch_emulator.values.timestamps import Clock, from_wire, to_wire

#: Longest sleep, so that a change of the system's clock is noticed.
_LONGEST_SLEEP: Final = timedelta(minutes=1)
_BATCH: Final = 200


@dataclass(kw_only=True, eq=False)
class Expiry:
    """Sleeps until the next thing is due, and does it."""

    store: Store
    clock: Clock
    jobs: JobLife
    directories: NodeDirectories
    _sooner: asyncio.Event = field(default_factory=asyncio.Event)
    _next: str = ""

    def expect(self, event: Due) -> None:
        """Wake up earlier than planned where something falls due before that."""
        if event.time < self._next:
            self._sooner.set()

    async def watch(self) -> None:
        while True:
            self._sooner.clear()
            self._end_jobs()
            await self._remove_files()
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    def _until_next(self) -> float:
        """Return the seconds to sleep; what falls due before `_next` will interrupt them."""
        store, now = self.store, self.clock.now()
        times = [store.tasks.next_expiry(), store.jobs.next_expiry()]
        self._next = min([to_wire(now + _LONGEST_SLEEP), *filter(None, times)])
        return max((from_wire(self._next) - now).total_seconds(), 0.0)

    def _end_jobs(self) -> None:
        for job_id in self.store.jobs.expired(self.clock.stamp()):
            job = self.store.jobs.get(job_id)
            if job is not None and job.state == JobState.ACTIVE:
                self.jobs.terminate(job, MAX_WALL_CLOCK_TIME_EXPIRY)

    async def _remove_files(self) -> None:
        while due := self.store.tasks.expired(self.clock.stamp(), _BATCH):
            for task, job_id in due:
                await self.remove_files(task, job_id)

    async def remove_files(self, task: TaskRow, job_id: str) -> None:
        """Remove the files of a completed task, its subtasks' included; one that never was on a node has none.

        They are out of reach at once, so that nobody finds half of them, and a run that comes next keeps its own.
        """
        subtasks = self.store.subtasks.of_task(task.job_no, task.no)
        nodes = filter(None, (task.node_id, *(subtask.node_id for subtask in subtasks)))
        detached = [self.directories.node(node_id).task(job_id, task.id).detach() for node_id in nodes]
        self.store.tasks.keep_files_until(task.no, None)
        for directory in detached:
            await asyncio.to_thread(directory.remove)
