"""Reads settings from a mapping and gathers every problem, so that all of them are reported at once."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from isodate import Duration, ISO8601Error, duration_isoformat, parse_duration

from batch_core.config.service_url import url_problem
from batch_core.problems import Problems
from batch_core.redaction import shown

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class SettingReader:
    """Reads values from a mapping and gathers what is wrong with them; an empty value counts as missing.

    A problem names the setting and shows its value, unless that looks like a secret.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems = Problems()

    def exact(self, name: str) -> str | None:
        """Return the value as it is, blanks included, as a Functions host reads it; None: not set."""
        return self._env.get(name)

    def raw(self, name: str) -> str:
        value = self._env.get(name, "").strip()
        # What the environment holds beside UTF-8 comes as lone surrogates, which no request can carry.
        if not _is_unicode(value):
            self.problems.note(f"{name} holds bytes that are not UTF-8: set it again")
            return ""
        return value

    def refuse(self, name: str, value: str, rule: str) -> None:
        """Note that a setting's value breaks a rule."""
        self.problems.note(f"{name} is {shown(value)}: it must be {rule}")

    def text(self, name: str, pattern: re.Pattern[str], rule: str, default: str | None = None) -> str:
        value = self.raw(name) or default
        if value is None:
            self.problems.note(f"{name} is missing: set it to {rule}")
            return ""
        if not pattern.fullmatch(value):
            self.refuse(name, value, rule)
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.raw(name) or str(default)
        if not _NUMBER.fullmatch(value) or not low <= int(value) <= high:
            self.refuse(name, value, f"a whole number from {low} to {high}")
            return default
        return int(value)

    def duration(self, name: str, default: str, low: timedelta, high: timedelta) -> timedelta:
        value = self.raw(name) or default
        length = _duration(value)
        if length is None or not low <= length <= high:
            limits = f"{duration_isoformat(low)} to {duration_isoformat(high)}"
            self.refuse(name, value, f"an ISO 8601 duration such as {default}, from {limits}")
            return low
        return length

    def optional_duration(self, name: str, example: str, low: timedelta, high: timedelta) -> timedelta | None:
        """Read a duration that need not be set: then it is None."""
        return self.duration(name, example, low, high) if self.raw(name) else None

    def flag(self, name: str) -> bool:
        value = self.raw(name).lower() or "false"
        if value not in {"true", "false"}:
            self.refuse(name, value, "true or false")
        return value == "true"

    def moment(self, name: str) -> datetime | None:
        value = self.raw(name)
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.refuse(name, value, "a date or a time such as 2026-11-23T08:00:00Z")
            return None

    def url(self, name: str, example: str, service: str) -> str:
        """Read the URL of a service: blob, queue, table or batch."""
        value = self.raw(name).rstrip("/")
        if not value:
            self.problems.note(f"{name} is missing: set it to a URL such as {example}")
        elif problem := url_problem(value, service=service):
            self.problems.note(f"{name} is {shown(value)}, which {problem} (right would be {example})")
        return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _duration(text: str) -> timedelta | None:
    # Years and months have no length of their own (`Duration`); OverflowError: more days than a timedelta holds.
    try:
        length = parse_duration(text)
    except (ISO8601Error, OverflowError, ValueError):
        return None
    return length if isinstance(length, timedelta) and not isinstance(length, Duration) else None
