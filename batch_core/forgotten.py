"""Files without a record that may have had one: nobody takes them by itself, since that could run them twice.

Where records are removed (`retention`), a file that has none may be one that has run. A file of the last day is none of
these: its record cannot have been removed yet. So new files cost nothing.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from batch_core.app import App
from batch_core.clocks import CLOCK_MARGIN
from batch_core.naming import BlobVersion

#: No setting lets a record go sooner after its file was written.
RECENT: Final = timedelta(days=1)


async def may_be_forgotten(app: App, versions: Sequence[BlobVersion]) -> list[BlobVersion]:
    """Return those of the versions without a record whose records may have been removed; one call, or none.

    Raises the `ServiceError` that fits: then nothing is known to be safe.
    """
    recent = app.storage_now() - RECENT + CLOCK_MARGIN
    if all(version.last_modified >= recent for version in versions):
        return []
    left_alone = await app.retention.left_alone()
    return [version for version in versions if left_alone is not None and version.last_modified < left_alone]
