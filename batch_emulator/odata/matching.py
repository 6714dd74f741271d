"""Applies a filter to items that are not rows of the store."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from batch_emulator.errors import invalid_parameter
from batch_emulator.odata.filter import Combination, Filter, FilterError, Operator
from batch_emulator.odata.query import read_filter
from batch_emulator.odata.sql import Property, compile_filter

type Item = Mapping[str, str | int | bool]

_COMPARE: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.STARTS_WITH: str.startswith,
}


def read_matcher(query: Mapping[str, str], properties: Mapping[str, Property]) -> Callable[[Item], bool]:
    """Return a function that checks whether an item passes the request's filter. Raises InvalidQueryParameterValue."""
    tree = read_filter(query)
    if tree is None:
        return lambda _: True
    try:
        compile_filter(tree, properties)
    except FilterError as exc:
        raise invalid_parameter("$filter", query["$filter"], str(exc)) from exc
    return lambda item: _matches(tree, item)


def _matches(tree: Filter, item: Item) -> bool:
    if isinstance(tree, Combination):
        terms = (_matches(term, item) for term in tree.terms)
        return all(terms) if tree.word == "and" else any(terms)
    value = item.get(tree.path)
    return value is not None and _COMPARE[tree.operator](_without_case(value), _without_case(tree.value))


def _without_case(value: object) -> object:
    """Strings compare without case, as in the store."""
    return value.lower() if isinstance(value, str) else value
