"""Start tasks: what a pool runs on each of its nodes as they boot."""

import json
from collections import Counter
from dataclasses import dataclass, field

from batch_emulator.execution.environment import Place
from batch_emulator.execution.outcome import Outcome, exit_failure
from batch_emulator.scheduling.lifecycle_tasks import LifecycleTasks
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document


@dataclass(kw_only=True, eq=False)
class StartTasks:
    """Runs start tasks with their retries and records each run on the node.

    `spoiled` counts, by the pool's id in lower case, the coming runs that fail whatever their command does.
    """

    store: Store
    lifecycle: LifecycleTasks
    spoiled: Counter[str] = field(default_factory=Counter)

    async def run(self, no: int, place: Place, task: Document) -> bool:
        """Run the start task of a node; return whether it succeeded in the end."""

        def record(info: Document) -> None:
            self.store.nodes.set_start_task_info(no, json.dumps(info))

        def spoil(outcome: Outcome) -> Outcome:
            return Outcome(exit_code=1, failure=exit_failure()) if self._is_spoiled(place.pool_id) else outcome

        outcome = await self.lifecycle.start(task, place, record, spoil)
        return outcome.failure is None

    def _is_spoiled(self, pool_id: str) -> bool:
        key = pool_id.lower()
        if not self.spoiled[key]:
            return False
        self.spoiled[key] -= 1
        return True
