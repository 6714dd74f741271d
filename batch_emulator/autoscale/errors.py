"""The one error of the formula language.

FormulaError
    The formula cannot be read or evaluated; the message begins with the place, as the service writes it.
"""

from typing import Final, NamedTuple


class Position(NamedTuple):
    """A place in a formula; both count from 1."""

    line: int
    column: int


FIRST: Final = Position(1, 1)


class FormulaError(Exception):
    """The message in the service's form: `Line 1, Col 1: Undefined symbol: $x` (recording of the real service)."""

    def __init__(self, at: Position, reason: str) -> None:
        super().__init__(f"Line {at.line}, Col {at.column}: {reason}")
        self.at = at
