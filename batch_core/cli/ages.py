"""Times as people read them in a list."""

from datetime import timedelta
from typing import Final

_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def age(elapsed: timedelta) -> str:
    """Return an age in its largest unit, such as `3 min`."""
    return next((f"{elapsed // unit} {name}" for name, unit in _UNITS.items() if elapsed >= unit), "0 s")
