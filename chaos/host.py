"""The Functions host as the run needs it: its clock is wrong, and what the app waits minutes for takes seconds.

It is so many seconds ahead of the services' as `CHAOS_CLOCK_AHEAD` says.
"""

import os
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final
from unittest.mock import patch

import time_machine

from batch_core import announce, scale
from batch_core.state import outbox
from local.host.__main__ import main

#: In the environment of the host.
AHEAD_VARIABLE: Final = "CHAOS_CLOCK_AHEAD"
#: In place of two minutes until idle nodes go (the emulator's lists show at once what has completed), and of those
#: until an event counts as left behind, and a queue is asked again that took none.
_QUICK: Final = (
    (scale, "IDLE_FOR", timedelta(seconds=4)),
    (announce, "_PROMPT", timedelta(seconds=4)),
    (announce, "LEFT_BEHIND", timedelta(seconds=12)),
    (outbox, "_REST_SECONDS", 2.0),
)

if __name__ == "__main__":
    ahead = timedelta(seconds=float(os.environ[AHEAD_VARIABLE]))
    with ExitStack() as changes:
        changes.enter_context(time_machine.travel(datetime.now(UTC) + ahead, tick=True))
        for module, name, value in _QUICK:
            changes.enter_context(patch.object(module, name, value))
        raise SystemExit(main())
