"""The functions of formulas (documentation: batch-automatic-scaling, "Functions")."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from batch_emulator.autoscale.values import NotDefinedError, Value, Vector, scalar, type_name
from batch_emulator.values.timestamps import from_http_date

type Function = Callable[[Sequence[Value]], Value]


def _vector(arguments: Iterable[Value]) -> Vector:
    """Return a doubleVecList, any mixture of doubles and vectors, as one vector."""
    items: list[float] = []
    for argument in map(scalar, arguments):
        match argument:
            case float():
                items.append(argument)
            case tuple():
                items += argument
            case _:
                raise NotDefinedError(f"A double or doubleVec is expected, not {type_name(argument)}")
    return tuple(items)


def _over_all(calculate: Callable[[Vector], float], *, empty: float | None = None) -> Function:
    """Return a function from a doubleVecList to a double; without `empty` it needs at least one value."""

    def function(arguments: Sequence[Value]) -> float:
        vector = _vector(arguments)
        if vector:
            return float(calculate(vector))
        if empty is None:
            raise NotDefinedError("The vector has no values")
        return empty

    return function


def _each(calculate: Callable[[float], float]) -> Function:
    """Return a function that makes of one double a double, of anything else a vector, item by item."""

    def function(arguments: Sequence[Value]) -> Value:
        if not arguments:
            raise NotDefinedError("A double or doubleVec is expected")
        if len(arguments) == 1 and isinstance(only := scalar(arguments[0]), float):
            return calculate(only)
        return tuple(map(calculate, _vector(arguments)))

    return function


def _logarithm(calculate: Callable[[float], float]) -> Callable[[float], float]:
    def logarithm(number: float) -> float:
        if number > 0:
            return calculate(number)
        return -math.inf if number == 0 else math.nan

    return logarithm


def _whole(calculate: Callable[[float], float]) -> Callable[[float], float]:
    return lambda number: calculate(number) if math.isfinite(number) else number


def _nearest(number: float) -> float:
    """Round half away from zero."""
    return math.copysign(math.floor(abs(number) + 0.5), number)


def _deviation(vector: Vector) -> float:
    return statistics.stdev(vector) if len(vector) > 1 and all(map(math.isfinite, vector)) else 0.0


def _two(arguments: Sequence[Value]) -> tuple[Vector, float]:
    match [scalar(argument) for argument in arguments]:
        case [tuple() as vector, float() as number]:
            return vector, number
    raise NotDefinedError("A doubleVec and a double are expected")


def _percentile(arguments: Sequence[Value]) -> float:
    """Return the element at a percentage, 0 to 100, by the nearest rank."""
    vector, percent = _two(arguments)
    if not vector or not 0 <= percent <= 100:
        raise NotDefinedError("A vector with values and a percentage from 0 to 100 are expected")
    return sorted(vector)[max(math.ceil(percent / 100 * len(vector)) - 1, 0)]


def _element(arguments: Sequence[Value]) -> float:
    vector, index = _two(arguments)
    if not 0 <= index < len(vector):
        raise NotDefinedError(f"The vector has no element {index:g}")
    return vector[int(index)]


def read_time(source: str) -> datetime:
    """Read a time in W3C-DTF (the short forms, too) or RFC 1123. Raises NotDefinedError."""
    if len(source) in {4, 7} and source.replace("-", "").isdecimal():
        source = f"{source}-01-01"[:10]
    try:
        moment = datetime.fromisoformat(source)
    except ValueError:
        try:
            moment = from_http_date(source)
        except ValueError as exc:
            raise NotDefinedError(f"{source!r} is not a time in W3C-DTF or RFC 1123") from exc
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as exc:
        raise NotDefinedError("The time is out of range") from exc


#: The functions whose result follows from their arguments; `rand`, `stop` and `time` are the evaluator's.
FUNCTIONS: Final[dict[str, Function]] = {
    "avg": _over_all(lambda vector: sum(vector) / len(vector)),
    "ceil": _each(_whole(lambda number: float(math.ceil(number)))),
    "floor": _each(_whole(lambda number: float(math.floor(number)))),
    "len": _over_all(len, empty=0.0),
    "lg": _each(_logarithm(math.log2)),
    "ln": _each(_logarithm(math.log)),
    "log": _each(_logarithm(math.log10)),
    "max": _over_all(max),
    "min": _over_all(min),
    "norm": _over_all(lambda vector: math.hypot(*vector), empty=0.0),
    "percentile": _percentile,
    "range": _over_all(lambda vector: max(vector) - min(vector)),
    "round": _each(_whole(_nearest)),
    "std": _over_all(_deviation),
    "sum": _over_all(sum, empty=0.0),
    "val": _element,
    "vec": _vector,
}
