"""From when on a tick lists completed tasks: mostly from where the one before ended, now and then from further back.

A list may lag behind a completion, so what completed within `OVERLAP` is listed again. Done with every tick, that would
list each task as often as there are ticks in that time, and the more tasks complete, the longer each tick would take.
So most ticks look back a little, and one in `EVERY` as far as that.

A process that remembers nothing, or sees that the watermark was moved, looks back all the way: only the cost of ticks
depends on what is remembered here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from batch_core.state.job_registry import JobEntry

#: How far the watermark stays behind: a list may lag behind a completion.
OVERLAP: Final = timedelta(minutes=2)
#: How far most ticks look back: each second of it is listed with each tick once more, and what shows up later still is
#: collected by the next tick that looks back all the way.
BRIEF: Final = timedelta(seconds=3)
#: How often a tick looks back as far as the watermark: a bit less than the minute of a schedule, so that its ticks do.
EVERY: Final = timedelta(seconds=55)
#: What is not collected at all counts as of then.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """How far a job's completions were seen when they were last listed from the watermark on, and when that was."""

    watermark: datetime | None
    listed_at: datetime
    until: datetime


class Lookbacks:
    """What is remembered of each job."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def since(self, job: JobEntry, now: datetime) -> datetime | None:
        """Return the moment from which on to list: the job's watermark, which may be None, to look back all the way."""
        seen = self._seen.get(job.job_id)
        if seen is None or seen.watermark != job.watermark or not timedelta(0) <= now - seen.listed_at < EVERY:
            return job.watermark
        brief = max(seen.until, _EARLIEST) - BRIEF
        return brief if job.watermark is None else max(job.watermark, brief)

    def note_all(self, job: JobEntry, watermark: datetime | None, now: datetime, until: datetime) -> None:
        """Note that all since the watermark was listed, where it is now, and until when all is collected."""
        self._seen[job.job_id] = _Seen(watermark=watermark, listed_at=now, until=until)

    def note_some(self, job: JobEntry, until: datetime) -> None:
        """Note that a list from further on was read, and until when all is collected."""
        seen = self._seen.get(job.job_id)
        if seen is not None:
            self._seen[job.job_id] = _Seen(watermark=seen.watermark, listed_at=seen.listed_at, until=until)

    def look_for(self, job: JobEntry, completed_at: datetime) -> None:
        """Look back all the way next time, if a task that completed then is further back than brief lists reach."""
        seen = self._seen.get(job.job_id)
        if seen is not None and completed_at < max(seen.until, _EARLIEST) - BRIEF:
            self.forget(job)

    def forget(self, job: JobEntry) -> None:
        """Look back all the way next time."""
        self._seen.pop(job.job_id, None)

    def keep_only(self, jobs: Iterable[JobEntry]) -> None:
        """Forget all other jobs."""
        kept = {job.job_id for job in jobs}
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in kept}
