"""Cuts a formula into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from batch_emulator.autoscale.errors import FormulaError, Position

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w$]))
    | (?P<name>\$?[A-Za-z_]\w*)
    | (?P<string>"[^"\n]*"|'[^'\n]*')
    | (?P<mark>&&|\|\||[<>=!]=|[-+*/<>=!?:;,.()\[\]])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token; `kind` is number, name, string, mark or end."""

    kind: str
    text: str
    at: Position


def tokens_of(formula: str) -> Iterator[Token]:
    """Yield the tokens without spaces and comments, and one of kind `end`. Raises FormulaError."""
    index, line, start = 0, 1, 0
    while index < len(formula):
        at = Position(line, index - start + 1)
        match = _TOKEN.match(formula, index)
        if match is None or match.lastgroup is None:
            raise FormulaError(at, f"Unexpected character: {formula[index]}")
        text = match.group()
        if match.lastgroup != "space":
            yield Token(kind=match.lastgroup, text=text, at=at)
        elif breaks := text.count("\n"):
            line += breaks
            start = index + text.rindex("\n") + 1
        index = match.end()
    yield Token(kind="end", text="", at=Position(line, index - start + 1))
