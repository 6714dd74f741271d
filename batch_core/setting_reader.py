"""Reads settings from a mapping and gathers everything that is wrong with them, so that it can be told at once."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from isodate import Duration, ISO8601Error, parse_duration


class SettingReader:
    """Reads values from a mapping and gathers what is wrong with them; an empty value counts as missing."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def raw(self, name: str) -> str:
        return self._env.get(name, "").strip()

    def text(self, name: str, pattern: re.Pattern[str], rule: str, default: str | None = None) -> str:
        value = self.raw(name) or default
        if value is None:
            self.problems.append(f"{name} is missing: set it to {rule}")
            return ""
        if not pattern.fullmatch(value):
            self.problems.append(f"{name} is {value!r}: it must be {rule}")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.raw(name) or str(default)
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            self.problems.append(f"{name} is {value!r}: it must be a whole number from {low} to {high}")
            return default
        return int(value)

    def duration(self, name: str, default: str, low: timedelta, high: timedelta) -> timedelta:
        value = self.raw(name) or default
        try:
            length = parse_duration(value)
        except ISO8601Error:
            length = None
        if not isinstance(length, timedelta) or isinstance(length, Duration) or not low <= length <= high:
            self.problems.append(
                f"{name} is {value!r}: it must be an ISO 8601 duration such as {default} "
                f"(from {low.total_seconds() / 3600:g} to {high.total_seconds() / 3600:g} hours)"
            )
            return low
        return length

    def flag(self, name: str) -> bool:
        value = self.raw(name).lower() or "false"
        if value not in {"true", "false"}:
            self.problems.append(f"{name} is {value!r}: it must be true or false")
        return value == "true"

    def moment(self, name: str) -> datetime | None:
        value = self.raw(name)
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.problems.append(f"{name} is {value!r}: it must be a date or a time such as 2026-11-23T08:00:00Z")
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def url(self, name: str, example: str) -> str:
        value = self.raw(name)
        parts = urlsplit(value)
        if not value:
            self.problems.append(f"{name} is missing: set it to a URL such as {example}")
        elif parts.scheme not in {"http", "https"} or not parts.netloc:
            self.problems.append(f"{name} is {value!r}: it must be a URL such as {example}")
        return value.rstrip("/")
