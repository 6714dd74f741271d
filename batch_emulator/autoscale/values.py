"""The values of formulas and the operators between them (documentation: batch-automatic-scaling, "Operations")."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from batch_emulator.autoscale.samples import Metric

#: A tick is 100 ns.
TICKS_PER_SECOND: Final = 10_000_000

_MOST_TICKS: Final = 2.0**62


@dataclass(frozen=True, order=True, slots=True)
class Interval:
    """A length of time in ticks of 100 ns."""

    ticks: float

    @classmethod
    def of(cls, length: timedelta) -> "Interval":
        return cls(length / timedelta(microseconds=1) * 10)

    @property
    def length(self) -> timedelta:
        """Its length to the microsecond. Raises OverflowError."""
        if not abs(self.ticks) < _MOST_TICKS:
            raise OverflowError
        return timedelta(microseconds=self.ticks / 10)


type Vector = tuple[float, ...]
type Value = float | Vector | str | datetime | Interval | Metric

_SECOND: Final = TICKS_PER_SECOND
INTERVALS: Final = {
    "TimeInterval_Zero": Interval(0),
    "TimeInterval_100ns": Interval(1),
    "TimeInterval_Microsecond": Interval(10),
    "TimeInterval_Millisecond": Interval(10_000),
    "TimeInterval_Second": Interval(_SECOND),
    "TimeInterval_Minute": Interval(60 * _SECOND),
    "TimeInterval_Hour": Interval(3_600 * _SECOND),
    "TimeInterval_Day": Interval(86_400 * _SECOND),
    "TimeInterval_Week": Interval(7 * 86_400 * _SECOND),
    "TimeInterval_Year": Interval(365 * 86_400 * _SECOND),
}


class NotDefinedError(Exception):
    """An operation has no meaning for these values; the message says why."""


def type_name(value: Value) -> str:
    """Return what the documentation calls the type of a value."""
    match value:
        case float():
            return "double"
        case tuple():
            return "doubleVec"
        case str():
            return "string"
        case datetime():
            return "timestamp"
        case Interval():
            return "timeinterval"
    return "metric"


def scalar(value: Value) -> Value:
    """Return a metric as the number it is where no sample is asked for: its last sample, 0 without one."""
    return value.last if isinstance(value, Metric) else value


def divide(left: float, right: float) -> float:
    """Divide as IEEE 754 does: by zero, too."""
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}


def apply(sign: str, left: Value, right: Value) -> Value:
    """Return `left sign right`. Raises NotDefinedError."""
    left, right = scalar(left), scalar(right)
    if sign in _COMPARISONS:
        return _compare(sign, left, right)
    try:
        result = _calculate(sign, left, right)
    except OverflowError as exc:
        raise NotDefinedError("The result is out of range") from exc
    if result is None:
        raise NotDefinedError(f"Operator {sign} is not defined for {type_name(left)} and {type_name(right)}")
    return result


def _compare(sign: str, left: Value, right: Value) -> float:
    if isinstance(left, tuple) or type(left) is not type(right):
        raise NotDefinedError(f"Operator {sign} is not defined for {type_name(left)} and {type_name(right)}")
    return float(_COMPARISONS[sign](left, right))


def _calculate(sign: str, left: Value, right: Value) -> Value | None:
    match left, right:
        case float(), float():
            return _ARITHMETIC[sign](left, right)
        case tuple(), float():
            return tuple(_ARITHMETIC[sign](item, right) for item in left)
        case tuple(), tuple():
            return _pairwise(sign, left, right)
        case (datetime(), _) | (_, datetime()):
            return _with_time(sign, left, right)
        case (Interval(), _) | (_, Interval()):
            return _with_interval(sign, left, right)
    return None


def _pairwise(sign: str, left: Vector, right: Vector) -> Vector:
    if len(left) != len(right):
        raise NotDefinedError(f"Operator {sign} needs vectors of one length, not {len(left)} and {len(right)}")
    return tuple(_ARITHMETIC[sign](one, other) for one, other in zip(left, right, strict=True))


def _with_interval(sign: str, left: Value, right: Value) -> Interval | None:
    match sign, left, right:
        case "*", Interval(), float():
            return Interval(left.ticks * right)
        case "*", float(), Interval():
            return Interval(left * right.ticks)
        case "/", Interval(), float():
            return Interval(divide(left.ticks, right))
        case "+", Interval(), Interval():
            return Interval(left.ticks + right.ticks)
        case "-", Interval(), Interval():
            return Interval(left.ticks - right.ticks)
    return None


def _with_time(sign: str, left: Value, right: Value) -> Interval | datetime | None:
    match sign, left, right:
        case "+", datetime(), Interval():
            return left + right.length
        case "+", Interval(), datetime():
            return right + left.length
        case "-", datetime(), datetime():
            return Interval.of(left - right)
    return None


def negate(sign: str, value: Value) -> Value:
    """Return `-value` or `!value`. Raises NotDefinedError."""
    value = scalar(value)
    match sign, value:
        case "-", float():
            return -value
        case "!", float():
            return float(not value)
        case "-", Interval():
            return Interval(-value.ticks)
    raise NotDefinedError(f"Operator {sign} is not defined for {type_name(value)}")


def shown(value: Value) -> str:
    """Return a value as the results of an evaluation show it."""
    match value:
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case tuple():
            return f"[{','.join(shown(item) for item in value)}]"
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Interval():
            return f"{value.ticks / TICKS_PER_SECOND:.7f}".rstrip("0").rstrip(".") + "s"
        case Metric():
            return shown(value.last)
    return value
