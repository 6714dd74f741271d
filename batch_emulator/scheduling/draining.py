"""Empties nodes of their tasks before they stop or leave, by one of the service's four options."""

import asyncio
from typing import Final

from batch_emulator.scheduling.runs import Ending, Runs
from batch_emulator.values.states import DeallocationOption
from batch_emulator.values.timestamps import from_wire

#: Between two looks, in seconds: retention may be shortened, runs may be about to start.
_LONGEST_SLEEP: Final = 60.0
_SHORTEST_SLEEP: Final = 0.05


async def drain(runs: Runs, no: int, node_id: str, option: DeallocationOption) -> None:
    """Return when no task runs on a node any more. No new ones may be put there meanwhile.

    Source: SDK documentation of BatchNodeDeallocationOption.
    """
    match option:
        case DeallocationOption.REQUEUE:
            await runs.end(runs.of_nodes({no}), Ending.REQUEUE)
        case DeallocationOption.TERMINATE:
            await runs.end(runs.of_nodes({no}), Ending.TERMINATE)
        case DeallocationOption.TASK_COMPLETION:
            await _completion(runs, no)
        case DeallocationOption.RETAINED_DATA:
            await _completion(runs, no)
            await _retention(runs, node_id)


async def _completion(runs: Runs, no: int) -> None:
    while running := runs.of_nodes({no}):
        workers = [run.worker for run in running if run.worker is not None]
        if workers:
            await asyncio.wait(workers)
        else:
            await asyncio.sleep(_SHORTEST_SLEEP)


async def _retention(runs: Runs, node_id: str) -> None:
    while until := runs.store.tasks.files_kept_until(node_id):
        left = (from_wire(until) - runs.clock.now()).total_seconds()
        await asyncio.sleep(min(max(left, _SHORTEST_SLEEP), _LONGEST_SLEEP))
