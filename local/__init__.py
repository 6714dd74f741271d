"""Run the whole system on one machine: Azurite, the Batch emulator and a Functions host.

Nothing here is deployed. `python -m local up` and `python -m local demo` are the two doors.
"""

import sys

# Here, where every older Python still reads it: what follows has syntax that it would only call invalid.
if sys.version_info < (3, 13):  # noqa: UP036 - that is what it is for
    sys.exit("Python 3.13 is needed, and this is %d.%d: run `make setup`, then .venv/bin/python" % sys.version_info[:2])  # noqa: UP031
