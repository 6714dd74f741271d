"""Whose turn it is: a tick that runs out of time must not always leave out the same."""

from collections import Counter
from collections.abc import Sequence


class Turns:
    """Begins each time with another: so what is slow delays the others, and never keeps them from their turn."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def next[T](self, kind: str, items: Sequence[T]) -> list[T]:
        """Return the items in their order, beginning one further than the last time for this kind of work."""
        if not items:
            return []
        start = self._taken[kind] % len(items)
        self._taken[kind] += 1
        return [*items[start:], *items[:start]]
