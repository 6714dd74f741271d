"""How long a tick may take: it ends cleanly in its time, and what is left is the next one's."""

import time
from datetime import timedelta
from typing import Final

from batch_core.errors import OutOfTime

#: Well within the five minutes after which the Consumption plan ends a function by default
#: (https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout).
TICK: Final = timedelta(minutes=4)


class TimeBudget:
    """A length of time, which runs from when this is made."""

    def __init__(self, length: timedelta = TICK) -> None:
        self._deadline = time.monotonic() + length.total_seconds()

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self._deadline

    def check(self) -> None:
        """Raise `OutOfTime` if it is spent: called between two parts of the work, where a tick can end cleanly."""
        if self.is_spent:
            raise OutOfTime("the tick's time is spent; the next one goes on")
