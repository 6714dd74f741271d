"""Timer triggers: one loop for each, so that no scheduled run of a timer overlaps another."""

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, ContainerClient

from local.host.bindings import TimerTrigger
from local.host.errors import InvocationFailedError
from local.host.invoker import Invoker
from local.host.json_text import parse_json
from local.host.protos import TypedData
from local.host.timers.schedule import Schedule

logger = logging.getLogger(__name__)

# A clock may be set back while we wait; then the run is waited for again, in steps.
_LONGEST_SLEEP_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class ScheduleStatus:
    """What the status blob holds: the last run, the next one, and when that was written."""

    last: datetime
    next: datetime
    last_updated: datetime

    @classmethod
    def from_json(cls, text: str) -> "ScheduleStatus":
        fields = parse_json(text)
        names = ("Last", "Next", "LastUpdated")
        last, following, updated = (datetime.fromisoformat(fields[name]) for name in names)
        return cls(last=last, next=following, last_updated=updated)

    def as_fields(self) -> dict[str, str]:
        """Return the JSON object, which functions get too."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }


@dataclass(kw_only=True)
class Timer:
    """One timer trigger; `status_blob` is None when its runs are not monitored.

    A run missed while the host was down is made up for once, as past due. Runs missed while the function itself was
    running are made up for by one, at once, which is not past due (TimerListener.cs of
    https://github.com/Azure/azure-webjobs-sdk-extensions). A call by hand waits for no turn and leaves no trace here.
    """

    trigger: TimerTrigger
    schedule: Schedule
    invoker: Invoker
    status_blob: BlobClient | None
    _status: ScheduleStatus | None = field(default=None, init=False)

    async def run(self) -> None:
        """Call the function at its times until cancelled."""
        began = await self._run_at_start()
        while True:
            due = self.schedule.next_after(began)
            while (left := (due - _now()).total_seconds()) > 0:  # noqa: ASYNC110  # it is a clock
                await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))
            began = max(due, _now())
            await self._call(began, past_due=False)

    async def _run_at_start(self) -> datetime:
        """Make up for what was missed; return the moment from which the schedule goes on."""
        began = _now()
        self._status = await self._read_status()
        past_due = self._status is not None and self._status.next < _now()
        if past_due or self.trigger.run_on_startup:
            await self._call(began, past_due=past_due)
        elif self._status is None:
            await self._write_status(began)
        return began

    def call_by_hand(self) -> None:
        """Begin to call the function, whatever else of it is running."""
        self.invoker.start(self._call_function(past_due=False))

    async def _call(self, began: datetime, *, past_due: bool) -> None:
        # Not awaited as such: cancelling the loop must not cut off a running function.
        await asyncio.wait({self.invoker.start(self._invoke(began, past_due=past_due))})

    async def _invoke(self, began: datetime, *, past_due: bool) -> None:
        await self._call_function(past_due=past_due)
        await self._write_status(began)

    async def _call_function(self, *, past_due: bool) -> None:
        payload = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": self._status.as_fields() if self._status else None,
            "IsPastDue": past_due,
        }
        data = TypedData(json=json.dumps(payload))
        with contextlib.suppress(InvocationFailedError):
            await self.invoker.call(
                self.trigger.function,
                reason="timer, past due" if past_due else "timer",
                inputs={self.trigger.parameter: data},
                metadata={"TimerTrigger": data},
            )

    async def _read_status(self) -> ScheduleStatus | None:
        if self.status_blob is None:
            return None
        try:
            content = await (await self.status_blob.download_blob()).readall()
            return ScheduleStatus.from_json(content.decode())
        except ResourceNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AzureError) as exc:
            self._warn("Cannot read the timer's status", exc)
            return None

    async def _write_status(self, last: datetime) -> None:
        if self.status_blob is None:
            return
        following = self.schedule.next_after(last)
        self._status = ScheduleStatus(last=last, next=following, last_updated=_now())
        try:
            text = json.dumps(self._status.as_fields())
            await self.status_blob.upload_blob(text, overwrite=True)
        except AzureError as exc:
            self._warn("Cannot write the timer's status", exc)

    def _warn(self, sentence: str, exc: Exception) -> None:
        logger.warning("%s of %s: %s", sentence, self.trigger.function.name, exc)


def timer(trigger: TimerTrigger, invoker: Invoker, hosts_container: ContainerClient, host_id: str) -> Timer:
    """Make the timer of a trigger; raise BindingError when its schedule is none."""
    schedule = Schedule.parse(trigger.schedule)
    name = f"timers/{host_id}/{trigger.function.full_name}/status"
    # The real host does not monitor timers that run more often than once a minute either.
    monitored = trigger.use_monitor and not schedule.is_below_one_minute(_now())
    blob = hosts_container.get_blob_client(name) if monitored else None
    return Timer(trigger=trigger, schedule=schedule, invoker=invoker, status_blob=blob)


def _now() -> datetime:
    return datetime.now().astimezone()
