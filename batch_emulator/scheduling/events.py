"""What happens while the service runs, announced to those that act on it.

Who acts on what is decided in one place, where a service is opened. Handlers are called at once and in the order of
their subscriptions, inside the transaction of the announcement if it is made in one.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batch_emulator.scheduling.run import Run
from batch_emulator.store.jobs import JobRow
from batch_emulator.store.tasks import TaskRow


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnded:
    """A run is over: its slots are free and its task is recorded."""

    run: Run


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingTaskEnded:
    """A user has ended a task that was on no node."""

    job_id: str
    task: TaskRow


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDeleted:
    """A job has a task less."""

    job_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnabled:
    """A job that was disabled is active again."""

    job_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnded:
    """A job becomes completed, or ceases to exist, in the transaction of this announcement."""

    job: JobRow


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolScales:
    """A pool that scales itself has been created, or taken up after a restart."""

    pool_no: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """Something ends by the clock at this wire time: a job's time limit, or the retention of a task's files."""

    time: str


class Events:
    """The subscriptions of one service."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)

    def subscribe[Event](self, kind: type[Event], handler: Callable[[Event], None]) -> None:
        """Call a handler with every event of a kind from now on."""
        self._handlers[kind].append(handler)

    def announce(self, event: object) -> None:
        """Call the handlers of an event's kind; what one raises is raised here, and the later ones are not called."""
        for handler in self._handlers[type(event)]:
            handler(event)
