"""The Functions host as the run needs it: its clock is wrong, and the app gives up idle nodes after seconds.

It is so many seconds ahead of the services' as `CHAOS_CLOCK_AHEAD` says.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Final
from unittest.mock import patch

import time_machine

from batch_core import scale
from local.host.__main__ import main

#: In the environment of the host.
AHEAD_VARIABLE: Final = "CHAOS_CLOCK_AHEAD"
#: In place of two minutes: the emulator's lists show at once what has completed.
_IDLE_FOR: Final = timedelta(seconds=4)

if __name__ == "__main__":
    ahead = timedelta(seconds=float(os.environ[AHEAD_VARIABLE]))
    with time_machine.travel(datetime.now(UTC) + ahead, tick=True), patch.object(scale, "IDLE_FOR", _IDLE_FOR):
        raise SystemExit(main())
