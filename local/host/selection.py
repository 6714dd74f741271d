"""Which functions of an app run here: one that cannot is in error alone, as with the real host, and the others run."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.host.bindings import BlobTrigger, HttpTrigger, QueueTrigger, TimerTrigger, Trigger, is_disabled, trigger_of
from local.host.blobs.path import BlobPath
from local.host.connections import Connections
from local.host.errors import BindingError
from local.host.http.routes import Route
from local.host.timers.schedule import Schedule
from local.host.worker import Function


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The triggers of the functions that run; `left_out` says of each other function why it does not."""

    triggers: tuple[Trigger, ...]
    left_out: Mapping[str, str]


async def select(functions: Iterable[Function], settings: Mapping[str, str], connections: Connections) -> Selection:
    """Read each function's bindings and try what they name."""
    triggers: list[Trigger] = []
    left_out: dict[str, str] = {}
    for function in functions:
        if is_disabled(function, settings):
            left_out[function.name] = "disabled by the app settings"
            continue
        try:
            trigger = trigger_of(function, settings)
            await _try(trigger, connections)
        except (BindingError, ValueError, re.PatternError) as exc:
            # ValueError: the SDK refuses a connection string. PatternError: a route or path names a part twice.
            left_out[function.name] = f"in error: {exc}"
        else:
            triggers.append(trigger)
    return Selection(triggers=tuple(triggers), left_out=left_out)


async def _try(trigger: Trigger, connections: Connections) -> None:
    match trigger:
        case HttpTrigger():
            _ = Route(trigger, trigger.route).pattern
        case TimerTrigger():
            Schedule.parse(trigger.schedule)
        case BlobTrigger():
            await connections.blobs(trigger.connection)
            BlobPath.parse(trigger.path)
        case QueueTrigger():
            await connections.queues(trigger.connection)
