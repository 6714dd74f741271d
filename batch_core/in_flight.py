"""How long a submission can be in flight: from its last look at a record to the moment at which Batch has the task."""

from datetime import timedelta
from typing import Final

from batch_core.clocks import CLOCK_MARGIN
from batch_core.services.call_limits import LONGEST_CALL

#: A record that was read longer ago is read again before Batch is given its task: it may have been cancelled since.
KNOWN_FOR: Final = timedelta(minutes=1)
#: Calls that are made from the moment at which a record was last without a request, or a change, to the one at which
#: Batch takes its task, except those within `KNOWN_FOR` (which make the job, or get a delegation key): the table's own
#: that read or wrote the record, since its reply may be late, and the one that adds the task.
_CALLS: Final = 2
#: Longer than a submission that has not seen what was written to a record can be in flight. The clocks are those of two
#: of the app's own processes: the one that wrote and the one that looks.
IN_FLIGHT: Final = KNOWN_FOR + _CALLS * LONGEST_CALL + CLOCK_MARGIN
