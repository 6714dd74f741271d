"""Reads a JSON object that a person wrote, and collects everything that is wrong with it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from batch_emulator.values.documents import Document


class Invalid(ValueError):
    """What was sent cannot be used; `problems` says why, one sentence for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def read_document(path: Path) -> object:
    """Return the JSON value of a file. Raises Invalid."""
    try:
        return json.loads(path.read_bytes())
    except OSError as exc:
        raise Invalid([f"{path}: {exc.strerror}"]) from exc
    except (ValueError, RecursionError) as exc:
        raise Invalid([f"{path} is not JSON: {exc}"]) from exc


@dataclass(kw_only=True)
class Form:
    """One object. Each method reads a property; one that is absent or wrong reads as None, a flag as False."""

    source: Document
    where: str
    problems: list[str]
    _read: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, value: object, where: str, problems: list[str]) -> Self:
        """Open an object; anything else is a problem, and reads as an empty one."""
        if not isinstance(value, dict):
            problems.append(f"{where}: an object is expected")
            value = {}
        return cls(source=value, where=where, problems=problems)

    def text(self, name: str, allowed: Iterable[str] = ()) -> str | None:
        """Read a printable string that is not blank; one of the allowed ones where there are any."""
        value, choices = self._value(name), tuple(allowed)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            self._expect(name, "a printable string that is not blank")
        elif choices and value not in choices:
            self._expect(name, f"one of {', '.join(choices)}")
        else:
            return value
        return None

    def number(self, name: str, lowest: float, highest: float) -> float | None:
        value = self._value(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest:
            return float(value)
        self._expect(name, f"a number from {lowest:g} to {highest:g}")
        return None

    def whole(self, name: str, lowest: int, highest: int = 2**31 - 1) -> int | None:
        value = self._value(name)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self._expect(name, f"a whole number from {lowest} to {highest}")
        return None

    def flag(self, name: str) -> bool:
        value = self._value(name)
        if not isinstance(value, bool):
            self._expect(name, "true or false")
        return value is True

    def form(self, name: str) -> Self | None:
        value = self._value(name)
        return None if value is None else type(self).of(value, f"{self.where}.{name}", self.problems)

    def close(self) -> None:
        """Note the properties that nobody has read: most are spelled wrong."""
        for name in sorted(set(self.source) - self._read):
            self.note(f"there is no property {name[:64]!r}; there are {', '.join(sorted(self._read))}")

    def note(self, problem: str) -> None:
        self.problems.append(f"{self.where}: {problem}")

    def _value(self, name: str) -> object:
        self._read.add(name)
        return self.source.get(name)

    def _expect(self, name: str, what: str) -> None:
        """Note a wrong value; null is as good as absent."""
        if self.source.get(name) is not None:
            self.problems.append(f"{self.where}.{name}: {what} is expected")
