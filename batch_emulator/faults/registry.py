"""The fault rules in force, with how often each has struck."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from batch_emulator.faults.rules import Fault, read_faults
from batch_emulator.values.documents import Document


@dataclass(kw_only=True, eq=False)
class _Armed:
    """A rule with its counters and its dice."""

    fault: Fault
    dice: Random
    matched: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        """Count a request or an item that matches; return whether the rule hits it."""
        self.matched += 1
        if self.matched <= self.fault.skip or self.struck == self.fault.times:
            return False
        hit = self.dice.random() < self.fault.probability
        self.struck += hit
        return hit

    def on_wire(self) -> Document:
        return {**self.fault.on_wire(), "matched": self.matched, "struck": self.struck}


@dataclass(kw_only=True, eq=False)
class Faults:
    """Knows the rules in the order in which they were added. Kept in memory only."""

    operations: frozenset[str]
    _armed: dict[str, _Armed] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def any(self) -> bool:
        return bool(self._armed)

    def add(self, document: object) -> list[Document]:
        """Put rules in force and return them; one with an id in use replaces it. Raises Invalid."""
        faults = read_faults(document, self.operations, self._names())
        for fault in faults:
            self._armed[fault.id] = _Armed(fault=fault, dice=Random(fault.seed))  # noqa: S311 - dice, not secrets
        return [self._armed[fault.id].on_wire() for fault in faults]

    def _names(self) -> Iterator[str]:
        names = (f"fault-{number}" for number in self._numbers)
        return (name for name in names if name not in self._armed)

    def remove(self, fault_id: str) -> bool:
        return self._armed.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._armed.clear()

    def on_wire(self) -> list[Document]:
        return [armed.on_wire() for armed in self._armed.values()]

    def strike(self, operation: str, method: str, path: str) -> list[Fault]:
        """Return the rules that hit a request: the delays up to and with the first final one."""
        hits = []
        for armed in self._matching(operation, method, path):
            if armed.fault.items is None and armed.strikes():
                hits.append(armed.fault)
                if armed.fault.is_final:
                    break
        return hits

    def strike_item(self, operation: str, method: str, path: str) -> Fault | None:
        """Return the rule that hits the next item of a collection."""
        matching = self._matching(operation, method, path)
        return next((armed.fault for armed in matching if armed.fault.items and armed.strikes()), None)

    def _matching(self, operation: str, method: str, path: str) -> list[_Armed]:
        return [armed for armed in self._armed.values() if armed.fault.matches(operation, method, path)]
