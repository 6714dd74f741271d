"""Quotas of the emulated account: none at the start, set on request."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.faults.form import Form, Invalid
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.vm_sizes import cores_of


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much the account may have; None for no limit."""

    #: Jobs and job schedules that are not completed.
    active_jobs_and_schedules: int | None = None
    pools: int | None = None
    #: Cores of all pools together, by the numbers in the names of their VM sizes.
    dedicated_cores: int | None = None
    low_priority_cores: int | None = None
    #: How many tasks may be added in a second, over time.
    tasks_per_second: float | None = None

    def on_wire(self) -> Document:
        limits = {
            "activeJobsAndSchedules": self.active_jobs_and_schedules,
            "pools": self.pools,
            "dedicatedCores": self.dedicated_cores,
            "lowPriorityCores": self.low_priority_cores,
            "tasksPerSecond": self.tasks_per_second,
        }
        return {name: value for name, value in limits.items() if value is not None}


def read_limits(document: object) -> Limits:
    """Read the limits; what is absent has none. Raises Invalid with every problem."""
    problems: list[str] = []
    form = Form.of(document, "quotas", problems)
    limits = Limits(
        active_jobs_and_schedules=form.whole("activeJobsAndSchedules", 0),
        pools=form.whole("pools", 0),
        dedicated_cores=form.whole("dedicatedCores", 0),
        low_priority_cores=form.whole("lowPriorityCores", 0),
        tasks_per_second=form.number("tasksPerSecond", 0.001, 1e6),
    )
    form.close()
    if problems:
        raise Invalid(problems)
    return limits


@dataclass(kw_only=True, eq=False)
class Quotas:
    """Refuses what would exceed the limits. Nothing is counted where there is no limit."""

    limits: Limits = Limits()
    now: Callable[[], float] = time.monotonic
    _paid_until: float = field(default=-math.inf)

    def set(self, limits: Limits) -> None:
        self.limits, self._paid_until = limits, -math.inf

    def check_new_job(self, store: Store) -> None:
        """Raise ActiveJobAndScheduleQuotaReached if no further job or schedule may be added."""
        limit = self.limits.active_jobs_and_schedules
        if limit is not None and store.jobs.count_open() + len(store.job_schedules.unfinished()) >= limit:
            raise BatchError(ErrorCode.ACTIVE_JOB_AND_SCHEDULE_QUOTA_REACHED)

    def check_new_pool(self, store: Store) -> None:
        """Raise PoolQuotaReached if no further pool may be added."""
        if self.limits.pools is not None and store.pools.count() >= self.limits.pools:
            raise BatchError(ErrorCode.POOL_QUOTA_REACHED)

    def check_new_tasks(self, number: int) -> None:
        """Raise TooManyRequests while the tasks added before are more than their time allowed."""
        if self.limits.tasks_per_second is None:
            return
        now = self.now()
        if now < self._paid_until:
            refusal = BatchError(ErrorCode.TOO_MANY_REQUESTS)
            refusal.retry_after = math.ceil(self._paid_until - now)
            raise refusal
        self._paid_until = now + number / self.limits.tasks_per_second

    def limits_cores(self, *, dedicated: bool) -> bool:
        return self._cores(dedicated=dedicated) is not None

    def affordable(self, used: dict[tuple[str, bool], int], vm_size: str, *, dedicated: bool) -> int:
        """Return how many more nodes of a size the cores allow.

        `used` are the nodes there are, by the size of their VMs and whether they are dedicated.
        """
        limit = self._cores(dedicated=dedicated) or 0
        taken = sum(cores_of(size) * nodes for (size, kind), nodes in used.items() if kind == dedicated)
        return max(0, limit - taken) // cores_of(vm_size)

    def _cores(self, *, dedicated: bool) -> int | None:
        return self.limits.dedicated_cores if dedicated else self.limits.low_priority_cores
