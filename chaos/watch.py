"""Looks at the records while the system runs, for any that waits and does not say why."""

import asyncio
import time
from typing import Final

from azure.core.exceptions import AzureError

from chaos.evidence import Recorded, read_table
from chaos.system import System

_EVERY_SECONDS: Final = 1.0
#: A task that waits in Batch gets its reason within so many seconds after all is quiet and it waits for long: the
#: setting (5 s), two sweeps (8 s), and what a sweep takes on a busy machine.
_EXPLAINED_SECONDS: Final = 25.0


class Watch:
    """Watches until stopped; `unexplained` names by task id what waited without a reason."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._quiet_since: float | None = None
        self._silent_since: dict[str, float] = {}
        self.unexplained: dict[str, str] = {}

    def all_is_quiet(self) -> None:
        """Say that no more harm is done: from now on tasks that wait in Batch must say why, too."""
        self._quiet_since = time.monotonic()

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            try:
                records, _ = await read_table(self._system)
            except AzureError:
                records = []
            for record in records:
                self._look_at(record)
            await asyncio.sleep(_EVERY_SECONDS)

    def _look_at(self, record: Recorded) -> None:
        if record.is_final or record.reason:
            self._silent_since.pop(record.task_id, None)
        elif record.state == "queued":
            self._note(record)
        elif self._quiet_since is not None:
            since = self._silent_since.setdefault(record.task_id, time.monotonic())
            if time.monotonic() - max(since, self._quiet_since) > _EXPLAINED_SECONDS:
                self._note(record)

    def _note(self, record: Recorded) -> None:
        line = f"{record.blob!r} (task {record.task_id}): waited as {record.state}"
        self.unexplained.setdefault(record.task_id, line)
