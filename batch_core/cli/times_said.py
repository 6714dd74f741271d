"""Days and durations as people write them: `today`, `2h`."""

import re
from datetime import date, timedelta
from typing import Final

#: The units of ISO 8601, by ours: https://www.iso.org/iso-8601-date-and-time-format.html
_UNITS: Final = {"s": "PT{}S", "m": "PT{}M", "min": "PT{}M", "h": "PT{}H", "d": "P{}D"}
_SHORT: Final = re.compile(r"(\d{1,5}) ?(s|m|min|h|d)", re.ASCII)


def day_said(text: str, today: date) -> str:
    """Return a day as it is asked for: `today` and `yesterday` are days, all else stays."""
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    return days[text].isoformat() if text in days else text


def duration_said(text: str) -> str:
    """Return a duration as it is asked for, `10m` as `PT10M`; all else stays."""
    short = _SHORT.fullmatch(text)
    return _UNITS[short[2]].format(short[1]) if short else text
