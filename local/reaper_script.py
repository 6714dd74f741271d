"""Ends the stack's processes when the one that started them is gone, however it went: also by SIGKILL.

Run as a script. On its standard input, a pipe that only its starter holds, come lines `+GROUP` and `-GROUP`: process
groups to guard and to forget. The end of the input is the end of the starter: then what is still guarded is asked to
end, so that the emulator can end its tasks, and killed when it does not. It imports nothing of this project, so that it
is up at once. Linux could do it with a parent-death signal; a pipe does it everywhere, and for programs like node, too.
"""

import os
import signal
import sys
import time
from typing import Final

_GRACE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05


def main() -> None:
    """Guard until the input ends; then end what is left."""
    # A signal to the starter's group or terminal is meant for the starter: this one goes last.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    _end(groups)


def _end(groups: set[int]) -> None:
    left = {group for group in groups if _signalled(group, signal.SIGTERM)}
    deadline = time.monotonic() + _GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = {group for group in left if _signalled(group, 0)}
    for group in left:
        _signalled(group, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    """Send a signal to a group; False if there is none any more."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
