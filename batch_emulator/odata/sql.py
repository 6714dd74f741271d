"""Compiles a parsed filter to a parameterised SQL condition over a resource's columns."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from batch_emulator.odata.filter import Combination, Comparison, Filter, FilterError, Operator
from batch_emulator.values.timestamps import to_wire

type Parameter = str | int

_ALL: Final = frozenset(Operator)
_ORDERED: Final = _ALL - {Operator.STARTS_WITH}
_EQUALITY: Final = frozenset({Operator.EQ, Operator.NE})

_SQL: Final = {
    Operator.EQ: "=",
    Operator.NE: "<>",
    Operator.GT: ">",
    Operator.GE: ">=",
    Operator.LT: "<",
    Operator.LE: "<=",
}

_COMPARE: Final[Mapping[Operator, Callable[[int, int], bool]]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}

#: Comparisons that set a lower bound.
_AT_LEAST: Final = frozenset({Operator.GT, Operator.GE, Operator.EQ})


class Kind(Enum):
    """The type of a property, with what a message calls it."""

    STRING = "a string"
    DATETIME = "a DateTime"
    INTEGER = "an integer"
    BOOLEAN = "true or false"


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """A property that a filter may name, and the SQL expression that holds its value.

    String expressions must collate NOCASE: the service compares values without regard to case.
    `values` are the only ones allowed, where the property is an enumeration. Two facts let a list be
    read by an index: a time in `column` is never later than the one in `settled_by`, and where the
    number in `column` is not 0 the SQL condition `unless_zero` holds.
    """

    column: str
    kind: Kind
    operators: frozenset[Operator]
    values: frozenset[str] | None = None
    settled_by: str | None = None
    unless_zero: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Since:
    """What follows from a filter: only rows with at least this time in this column can match."""

    column: str
    time: str


def text_property(column: str) -> Property:
    return Property(column=column, kind=Kind.STRING, operators=_ALL)


def name_property(column: str) -> Property:
    """Describe a string that can only be compared for equality."""
    return Property(column=column, kind=Kind.STRING, operators=_EQUALITY)


def enum_property(column: str, values: Iterable[str]) -> Property:
    allowed = frozenset(str(value) for value in values)
    return Property(column=column, kind=Kind.STRING, operators=_EQUALITY, values=allowed)


def time_property(column: str, settled_by: str | None = None) -> Property:
    return Property(column=column, kind=Kind.DATETIME, operators=_ORDERED, settled_by=settled_by)


def integer_property(column: str, unless_zero: str | None = None) -> Property:
    return Property(column=column, kind=Kind.INTEGER, operators=_ORDERED, unless_zero=unless_zero)


def boolean_property(column: str) -> Property:
    return Property(column=column, kind=Kind.BOOLEAN, operators=_EQUALITY)


def compile_filter(tree: Filter, properties: Mapping[str, Property]) -> tuple[str, tuple[Parameter, ...]]:
    """Return an SQL condition and its parameters. Raises FilterError.

    A property without a value matches no comparison, `ne` included.
    """
    parameters: list[Parameter] = []
    return _condition(tree, properties, parameters), tuple(parameters)


def lower_bound(tree: Filter, properties: Mapping[str, Property]) -> Since | None:
    """Return the latest time since which all rows that can match must have been settled."""
    terms = tree.terms if isinstance(tree, Combination) and tree.word == "and" else (tree,)
    bounds = [
        Since(column=column, time=to_wire(term.value))
        for term in terms
        if isinstance(term, Comparison) and term.operator in _AT_LEAST and isinstance(term.value, datetime)
        if (column := properties[term.path].settled_by)
    ]
    return max(bounds, key=lambda bound: bound.time, default=None)


def _condition(tree: Filter, properties: Mapping[str, Property], parameters: list[Parameter]) -> str:
    if isinstance(tree, Combination):
        terms = [_condition(term, properties, parameters) for term in tree.terms]
        return f"({f' {tree.word.upper()} '.join(terms)})"
    known = _property(tree, properties)
    value = _parameter(tree, known)
    if tree.operator is Operator.STARTS_WITH:
        parameters += (value, value, value)
        return f"({known.column} >= ? AND substr({known.column}, 1, length(?)) = ? COLLATE NOCASE)"
    if known.values is not None:
        # Written out, because only then does a partial index apply; one of the few allowed values.
        return f"{known.column} {_SQL[tree.operator]} '{value}'"
    parameters.append(value)
    condition = f"{known.column} {_SQL[tree.operator]} ?"
    if known.unless_zero and isinstance(value, int) and not _COMPARE[tree.operator](0, value):
        return f"({known.unless_zero} AND {condition})"
    return condition


def _property(term: Comparison, properties: Mapping[str, Property]) -> Property:
    known = properties.get(term.path)
    if known is None:
        allowed = ", ".join(sorted(properties))
        raise FilterError(f"The property {term.path} cannot be filtered on; these can: {allowed}")
    if term.operator not in known.operators:
        raise FilterError(f"The property {term.path} does not support {term.operator}")
    return known


def _parameter(term: Comparison, known: Property) -> Parameter:
    if _kind_of(term.value) is not known.kind:
        raise FilterError(f"The property {term.path} is compared with {known.kind.value}")
    if isinstance(term.value, datetime):
        return _moment(term.value)
    if known.values is None or not isinstance(term.value, str):
        return term.value
    if (value := term.value.lower()) not in known.values:
        raise FilterError(f"{term.value!r} is not a value of {term.path}")
    return value


def _moment(value: datetime) -> str:
    try:
        return to_wire(value)
    except OverflowError as exc:
        raise FilterError("The date and time is out of range") from exc


def _kind_of(value: object) -> Kind:
    match value:
        case bool():
            return Kind.BOOLEAN
        case int():
            return Kind.INTEGER
        case datetime():
            return Kind.DATETIME
    return Kind.STRING
