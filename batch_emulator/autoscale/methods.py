"""What follows a dot: the members of timestamps and the methods of metrics."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from batch_emulator.autoscale.samples import Metric
from batch_emulator.autoscale.values import Interval, NotDefinedError, Value, type_name

#: The methods without arguments.
_ATTRIBUTES: Final[dict[str, Callable[[Metric], Value]]] = {
    "Count": lambda metric: float(len(metric.samples)),
    "HistoryBeginTime": lambda metric: metric.begin,
    "GetSamplePeriod": lambda metric: Interval.of(metric.period),
}


def member(value: Value, name: str) -> float:
    """Return a member of a timestamp. Raises NotDefinedError.

    `weekday` is 1 for Monday and, as in .NET, 0 for Sunday.
    """
    if not isinstance(value, datetime):
        raise NotDefinedError(f"A {type_name(value)} has no member {name}")
    if name == "weekday":
        return float(value.isoweekday() % 7)
    if name in {"year", "month", "day", "hour", "minute", "second"}:
        return float(getattr(value, name))
    raise NotDefinedError(f"A timestamp has no member {name}")


def call_method(value: Value, name: str, arguments: Sequence[Value]) -> Value:
    """Call a method of a metric. Raises NotDefinedError."""
    if not isinstance(value, Metric):
        raise NotDefinedError(f"A {type_name(value)} has no method {name}")
    if not arguments and name in _ATTRIBUTES:
        return _ATTRIBUTES[name](value)
    match name, arguments:
        case "GetSample", [float(count)]:
            return value.newest(_whole(count))
        case "GetSample", [_, *_]:
            return _samples(value, arguments)
        case "GetSamplePercent", [start]:
            return value.percent(_moment(value, start), value.now)
        case "GetSamplePercent", [start, end]:
            return value.percent(_moment(value, start), _moment(value, end))
    raise NotDefinedError(f"A metric has no method {name} of {len(arguments)} arguments")


def _whole(count: float) -> int:
    if not 0 <= count < 2**31:
        raise NotDefinedError("A number of samples is expected")
    return int(count)


def _samples(metric: Metric, arguments: Sequence[Value]) -> tuple[float, ...]:
    """Return samples by time; fail where there are fewer than the requested percentage."""
    match arguments:
        case [start]:
            end, percent = metric.now, 0.0
        case [start, float(percent)]:
            end = metric.now
        case [start, until]:
            end, percent = _moment(metric, until), 0.0
        case [start, until, float(percent)]:
            end = _moment(metric, until)
        case _:
            raise NotDefinedError("GetSample takes a start, an end and a percentage")
    begin = _moment(metric, start)
    if (available := metric.percent(begin, end)) < percent:
        raise NotDefinedError(f"Only {available:g} percent of the samples of {metric.name} are available")
    return metric.between(begin, end)


def _moment(metric: Metric, value: Value) -> datetime:
    """Return a time, or the time that lies so long before now."""
    try:
        match value:
            case datetime():
                return value
            case Interval():
                return metric.now - value.length
    except OverflowError as exc:
        raise NotDefinedError("The time is out of range") from exc
    raise NotDefinedError(f"A timestamp or timeinterval is expected, not {type_name(value)}")
