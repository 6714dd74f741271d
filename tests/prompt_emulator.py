"""The Batch emulator for tests of the app: its nodes take tasks at once, since nobody looks at how they boot."""

import sys

from batch_emulator.__main__ import main
from batch_emulator.scheduling import allocation, nodes

if __name__ == "__main__":
    allocation._SEARCH = allocation._SETTLE = nodes._BOOT_STEP = 0
    sys.exit(main())
