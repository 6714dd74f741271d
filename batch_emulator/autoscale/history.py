"""The samples of one pool's metrics, kept in memory."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from batch_emulator.autoscale.samples import Metric, Sample
from batch_emulator.autoscale.symbols import METRICS

#: "Samples are obtained every 30 seconds" (documentation: batch-automatic-scaling).
PERIOD: Final = timedelta(seconds=30)

#: Samples kept: those of six hours.
_KEPT: Final = 720


@dataclass(kw_only=True)
class History:
    """What each metric of a pool was, and when."""

    _samples: deque[tuple[datetime, Mapping[str, float]]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def add(self, time: datetime, values: Mapping[str, float]) -> None:
        self._samples.append((time, values))

    def metrics(self, now: datetime, values: Mapping[str, float]) -> dict[str, Metric]:
        """Return the metrics as a formula sees them now: `values` are the newest sample, which is not kept."""
        taken = [*self._samples, (now, values)]
        return {
            name: Metric(
                name=name,
                samples=[Sample(time, each[name]) for time, each in taken],
                now=now,
                period=PERIOD,
            )
            for name in METRICS
        }
