"""Empties nodes of their tasks before they stop or leave, by one of the service's four options."""

import asyncio
from dataclasses import dataclass
from typing import Final

from batch_emulator.scheduling.run import Ending
from batch_emulator.scheduling.runs import Runs
from batch_emulator.store.state import Store
from batch_emulator.values.states import DeallocationOption
from batch_emulator.values.timestamps import Clock, from_wire

#: Between two looks, in seconds: retention may be shortened, runs may be about to start.
_LONGEST_SLEEP: Final = 60.0
_SHORTEST_SLEEP: Final = 0.05


@dataclass(kw_only=True, eq=False)
class Draining:
    """Waits until nodes are empty, or empties them."""

    store: Store
    clock: Clock
    runs: Runs

    async def drain(self, no: int, node_id: str, option: DeallocationOption) -> None:
        """Return when no task runs on a node any more. No new ones may be put there meanwhile.

        Source: SDK documentation of BatchNodeDeallocationOption.
        """
        match option:
            case DeallocationOption.REQUEUE:
                await self.runs.end(self.runs.of_nodes({no}), Ending.REQUEUE)
            case DeallocationOption.TERMINATE:
                await self.runs.end(self.runs.of_nodes({no}), Ending.TERMINATE)
            case DeallocationOption.TASK_COMPLETION:
                await self._completion(no)
            case DeallocationOption.RETAINED_DATA:
                await self._completion(no)
                await self._retention(node_id)

    async def _completion(self, no: int) -> None:
        while running := self.runs.of_nodes({no}):
            workers = [run.worker for run in running if run.worker is not None]
            if workers:
                await asyncio.wait(workers)
            else:
                await asyncio.sleep(_SHORTEST_SLEEP)

    async def _retention(self, node_id: str) -> None:
        while until := self.store.tasks.files_kept_until(node_id):
            left = (from_wire(until) - self.clock.now()).total_seconds()
            await asyncio.sleep(min(max(left, _SHORTEST_SLEEP), _LONGEST_SLEEP))
