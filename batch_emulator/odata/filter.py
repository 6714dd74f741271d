"""Parses `$filter`: text to a tree of comparisons.

The grammar is the part of OData 3 that the service documents:
https://learn.microsoft.com/rest/api/batchservice/odata-filters-in-batch

    or      := and ("or" and)*
    and     := term ("and" term)*
    term    := "(" or ")" | "startswith" "(" path "," string ")" | path operator literal
    literal := 'string' | DateTime'...' | integer | true | false

Times come in two formats, `2026-11-23T08:49:37Z` and `Mon, 23 Nov 2026 08:49:37 GMT`:
https://learn.microsoft.com/azure/batch/batch-efficient-list-queries
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from batch_emulator.values.timestamps import from_http_date, from_wire

#: Deeper nesting is refused: the parser is recursive.
MAX_DEPTH: Final = 50
MAX_LENGTH: Final = 16_384

#: What a message calls the kinds of tokens.
_NAMES: Final = {"word": "a property", "string": "a string", "end": "and, or or the end"}
_BOOLEANS: Final = {"true": True, "false": False}


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    STARTS_WITH = "startswith"


type Literal = str | int | bool | datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One property against one literal."""

    path: str
    operator: Operator
    value: Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Combination:
    """Terms of which all (`and`) or at least one (`or`) must hold."""

    word: str
    terms: "tuple[Filter, ...]"


type Filter = Comparison | Combination


class FilterError(ValueError):
    """The filter cannot be read; the message says why."""


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<datetime>[Dd]ate[Tt]ime'(?:[^']*)')
      | (?P<string>'(?:[^']|'')*')
      | (?P<integer>-?\d{1,18}(?![\w.]))
      | (?P<word>[A-Za-z_][\w/]*)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE | re.ASCII,
)


def parse_filter(source: str) -> Filter:
    """Return the tree of a filter. Raises FilterError."""
    if len(source) > MAX_LENGTH:
        raise FilterError(f"The filter is longer than {MAX_LENGTH} characters")
    return _Parser(list(_tokens(source))).parse()


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    position = 0
    end = len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position, end)
        if match is None:
            raise FilterError(f"Syntax error at position {position} in the filter")
        yield str(match.lastgroup), match.group(str(match.lastgroup))
        position = match.end()


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("end", "the end of the filter")]
        self._next = 0
        self._depth = 0

    def parse(self) -> Filter:
        result = self._combination("or")
        self._expect("end")
        return result

    def _combination(self, word: str) -> Filter:
        terms = [self._operand(word)]
        while self._take("word", word):
            terms.append(self._operand(word))
        return terms[0] if len(terms) == 1 else Combination(word=word, terms=tuple(terms))

    def _operand(self, word: str) -> Filter:
        return self._combination("and") if word == "or" else self._term()

    def _term(self) -> Filter:
        if self._take("mark", "("):
            return self._group()
        if self._peek() == ("word", "startswith"):
            return self._starts_with()
        path = self._expect("word")
        operator = self._operator()
        return Comparison(path=path, operator=operator, value=self._literal())

    def _group(self) -> Filter:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"The filter is nested deeper than {MAX_DEPTH} levels")
        inner = self._combination("or")
        self._expect("mark", ")")
        self._depth -= 1
        return inner

    def _starts_with(self) -> Filter:
        self._expect("word", "startswith")
        self._expect("mark", "(")
        path = self._expect("word")
        self._expect("mark", ",")
        value = _string(self._expect("string"))
        self._expect("mark", ")")
        return Comparison(path=path, operator=Operator.STARTS_WITH, value=value)

    def _operator(self) -> Operator:
        _, word = self._peek()
        if word not in Operator or word == Operator.STARTS_WITH:
            raise FilterError(f"{word!r} is not an operator; eq, ne, gt, ge, lt and le are")
        self._next += 1
        return Operator(word)

    def _literal(self) -> Literal:
        kind, token = self._peek()
        self._next += 1
        match kind:
            case "string":
                return _string(token)
            case "integer":
                return int(token)
            case "datetime":
                return _moment(token)
            case "word" if (value := _BOOLEANS.get(token)) is not None:
                return value
        raise FilterError(f"A literal is expected, not {token}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next]

    def _take(self, kind: str, token: str) -> bool:
        found = self._peek() == (kind, token)
        self._next += found
        return found

    def _expect(self, kind: str, token: str | None = None) -> str:
        found_kind, found = self._peek()
        if found_kind != kind or (token is not None and found != token):
            raise FilterError(f"{token or _NAMES[kind]} is expected, not {found}")
        self._next += 1
        return found


def _string(token: str) -> str:
    return token[1:-1].replace("''", "'")


def _moment(token: str) -> datetime:
    text = token[len("DateTime'") : -1]
    for read in (from_wire, from_http_date):
        try:
            return read(text)
        except (ValueError, OverflowError):
            continue
    raise FilterError(f"{text!r} is not a date and time")
