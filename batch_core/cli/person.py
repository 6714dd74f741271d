"""Who asks, when somebody works at the command line."""

import getpass
from typing import Final

from batch_core.naming import storable

#: Of a person, in characters.
_LONGEST_NAME: Final = 100


def person() -> str | None:
    """Return the name of this machine's user, who is written into records as the one who asked; None without one."""
    try:
        return storable(getpass.getuser()[:_LONGEST_NAME])
    except (OSError, KeyError):
        return None
