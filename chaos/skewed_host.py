"""The Functions host with a clock that is wrong: so many seconds ahead of the services' as `CHAOS_CLOCK_AHEAD` says."""

import os
from datetime import UTC, datetime, timedelta
from typing import Final

import time_machine

from local.host.__main__ import main

#: In the environment of the host.
AHEAD_VARIABLE: Final = "CHAOS_CLOCK_AHEAD"

if __name__ == "__main__":
    ahead = timedelta(seconds=float(os.environ[AHEAD_VARIABLE]))
    with time_machine.travel(datetime.now(UTC) + ahead, tick=True):
        raise SystemExit(main())
