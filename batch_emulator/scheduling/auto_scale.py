"""Pools that scale themselves: samples, evaluations, and the resizes that follow from them."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from batch_emulator.autoscale.evaluator import Circumstances, Evaluation, evaluate
from batch_emulator.autoscale.history import PERIOD, History
from batch_emulator.autoscale.machine import Machine
from batch_emulator.errors import BatchError, ErrorCode
from batch_emulator.model.auto_scale import run_on_wire
from batch_emulator.scheduling.allocation import Resize
from batch_emulator.scheduling.background import Background
from batch_emulator.scheduling.metrics import pool_metrics
from batch_emulator.scheduling.pools import PoolLife
from batch_emulator.store.pools import PoolRow
from batch_emulator.store.state import Store
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import seconds_of
from batch_emulator.values.states import AllocationState, PoolState
from batch_emulator.values.timestamps import Clock, from_wire, to_wire

#: "You cannot call this API for the same Pool more than once every 30 seconds" (SDK documentation of
#: enable_pool_auto_scale).
_BETWEEN_ENABLINGS: Final = timedelta(seconds=30)


@dataclass(kw_only=True, eq=False)
class AutoScale:
    """Samples and evaluates the pools whose autoscale is enabled."""

    store: Store
    clock: Clock
    pools: PoolLife
    machine: Machine
    background: Background
    _histories: dict[int, History] = field(default_factory=dict)
    _watches: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    #: When autoscale of a pool was enabled last, by the time of the pool's creation: numbers are used again.
    _enabled: dict[str, datetime] = field(default_factory=dict)

    def enable(self, row: PoolRow, document: Document) -> None:
        """Give a pool its formula, evaluate it at once, and again at its interval.

        Raises TooManyEnableAutoScaleRequests.
        """
        now = self.clock.now()
        if row.created in self._enabled and now - self._enabled[row.created] < _BETWEEN_ENABLINGS:
            raise BatchError(ErrorCode.TOO_MANY_ENABLE_AUTO_SCALE_REQUESTS)
        self._enabled = {key: time for key, time in self._enabled.items() if now - time < _BETWEEN_ENABLINGS}
        self._enabled[row.created] = now
        self.pools.change(row, document)
        self.store.pools.set_auto_scale_run(row.no, None)
        self.start(row.no)

    def disable(self, row: PoolRow, document: Document) -> None:
        """Leave a pool at its size; a resize under way is stopped.

        It makes no new version of the pool (recording `should_disable_autoscale`).
        """
        self._stop(row.no)
        self.store.pools.change(row.no, json.dumps(document), row.modified)
        self.store.pools.set_auto_scale_run(row.no, None)
        if row.allocation_state == AllocationState.RESIZING:
            self.pools.stop_resize(row)

    def start(self, no: int) -> None:
        """Begin to sample and evaluate a pool; the first evaluation is over when this returns, if it is due."""
        self._stop(no)
        self._histories[no] = History()
        due = self._first_evaluation(no)
        if due <= self.clock.now():
            due = self.apply(no)
        self._watches[no] = self.background.start(self._watch(no, due), f"autoscale pool {no}")

    def _stop(self, no: int) -> None:
        self._histories.pop(no, None)
        if (watch := self._watches.pop(no, None)) is not None:
            watch.cancel()

    def _first_evaluation(self, no: int) -> datetime:
        """Return when a pool is to be evaluated: an interval after its last time where it had one before a restart."""
        now = self.clock.now()
        row = self.store.pools.by_number(no)
        if row is None or row.auto_scale_run is None:
            return now
        return max(now, from_wire(json.loads(row.auto_scale_run)["timestamp"]) + _interval(row))

    async def _watch(self, no: int, due: datetime) -> None:
        while (row := self._scaled(no)) is not None:
            now = self.clock.now()
            if now >= due:
                due = self.apply(no)
            self._histories[no].add(now, self._sample(row))
            pause = min(PERIOD, due - now)
            await asyncio.sleep(max(pause.total_seconds(), 0.01))

    def _scaled(self, no: int) -> PoolRow | None:
        """Return a pool that is still there and still scales itself."""
        row = self.store.pools.by_number(no)
        if row is None or row.state == PoolState.DELETING or not json.loads(row.document)["enableAutoScale"]:
            return None
        return row

    def _sample(self, row: PoolRow) -> dict[str, float]:
        return pool_metrics(self.store, self.clock, self.pools.live(row.no).pool, self.machine)

    def apply(self, no: int) -> datetime:
        """Evaluate a pool's formula and resize the pool to its result; return when to do that next."""
        row = self._scaled(no)
        if row is None:
            return self.clock.now()
        document = json.loads(row.document)
        evaluation, now = self.evaluate(row, document["autoScaleFormula"])
        run = json.dumps(run_on_wire(evaluation, to_wire(now)))
        self.store.pools.set_auto_scale_run(no, run)
        targets = {"targetDedicatedNodes": evaluation.dedicated, "targetLowPriorityNodes": evaluation.low_priority}
        if evaluation.error is None and any(document[name] != target for name, target in targets.items()):
            resize = Resize(option=evaluation.option, timeout=seconds_of(document["resizeTimeout"]))
            self.pools.resize(row, {**document, **targets}, resize)
        return now + _interval(row)

    def evaluate(self, row: PoolRow, formula: str) -> tuple[Evaluation, datetime]:
        """Evaluate a formula on a pool, without a consequence; return the result and the time of it."""
        now = self.clock.now()
        document = json.loads(row.document)
        history = self._histories.setdefault(row.no, History())
        circumstances = Circumstances(
            now=now,
            dedicated=document["targetDedicatedNodes"],
            low_priority=document["targetLowPriorityNodes"],
            metrics=history.metrics(now, self._sample(row)),
        )
        return evaluate(formula, circumstances), now


def _interval(row: PoolRow) -> timedelta:
    return timedelta(seconds=seconds_of(json.loads(row.document)["autoScaleEvaluationInterval"]) or 0)
