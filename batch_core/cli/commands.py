"""Commands of a command line, and where those are that people look for in the wrong one."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn, Protocol


class Parser(Protocol):
    """A command line: what it is called, and how it ends when it cannot be understood."""

    prog: str

    def error(self, message: str) -> NoReturn: ...


def check_command(parser: Parser, arguments: Sequence[str], own: Sequence[str], elsewhere: Mapping[str, str]) -> None:
    """Exit with code 2 and a sentence when the first argument is no command; `elsewhere` maps foreign ones to programs.

    Left to the parser: help, and no argument at all.
    """
    first = next(iter(arguments), "--help")
    if first in {"-h", "--help", *own}:
        return
    if first.startswith("-"):
        parser.error(f"the command comes first, its options after it: {parser.prog} COMMAND {first}")
    if program := elsewhere.get(first):
        parser.error(f"{first} is a command of {program}: {program} {first}")
    near = get_close_matches(first, own, n=1, cutoff=0.7)
    known = f"did you mean {near[0]}?" if near else f"there are {', '.join(own[:-1])} and {own[-1]}"
    parser.error(f"there is no command {first!r}: {known}")
