"""Evaluates formulas."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batch_emulator.autoscale.errors import FormulaError, Position
from batch_emulator.autoscale.functions import FUNCTIONS, read_time
from batch_emulator.autoscale.methods import call_method, member
from batch_emulator.autoscale.parser import parse, too_deep
from batch_emulator.autoscale.samples import Metric
from batch_emulator.autoscale.symbols import (
    ALIASES,
    CONSTANTS,
    DEALLOCATION,
    DEDICATED,
    LOW_PRIORITY,
    METRICS,
    MOST_NODES,
    OF_THE_EVALUATOR,
    TARGETS,
)
from batch_emulator.autoscale.syntax import (
    Binary,
    Call,
    Choice,
    Expression,
    ListOf,
    Member,
    Name,
    Number,
    Statement,
    Text,
    Unary,
)
from batch_emulator.autoscale.values import (
    NotDefinedError,
    Value,
    apply,
    negate,
    scalar,
    shown,
    type_name,
)
from batch_emulator.values.states import DeallocationOption

#: How many values and items of vectors one evaluation may handle: vectors double as quickly as a formula can say.
#: The service documents no figure; this is a fraction of a second, and far above what samples of a day need.
MAX_STEPS: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a formula is evaluated on: the time, the pool's targets as they are, its metrics by name."""

    now: datetime
    dedicated: int
    low_priority: int
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a formula says: how many nodes, what happens to those that leave, and how it came to that.

    `results` is in the form of the service. Where there is an `error` the targets are those from before.
    """

    dedicated: int
    low_priority: int
    option: DeallocationOption
    results: str
    error: str | None = None


class _Stop(Exception):
    """The formula called `stop()`."""


def evaluate(formula: str, circumstances: Circumstances) -> Evaluation:
    """Evaluate a formula; what is wrong with it is part of the result."""
    machine = _Evaluator(circumstances)
    try:
        machine.run(parse(formula))
        return machine.result()
    except FormulaError as exc:
        return _Evaluator(circumstances).result(str(exc))
    except RecursionError:
        return _Evaluator(circumstances).result(str(too_deep()))


@dataclass(kw_only=True)
class _Variables:
    """The variables of one evaluation: the three of the service, and those of the formula."""

    service: dict[str, Value]
    own: dict[str, Value] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)


class _Evaluator:
    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._steps = 0
        self._variables = _Variables(
            service={
                DEDICATED: float(circumstances.dedicated),
                LOW_PRIORITY: float(circumstances.low_priority),
                DEALLOCATION: DeallocationOption.REQUEUE.value,
            }
        )

    def run(self, statements: list[Statement]) -> None:
        try:
            for statement in statements:
                value = self._value(statement.value)
                if statement.target is not None:
                    self._assign(statement.at, statement.target, value)
        except _Stop:
            return

    def result(self, error: str | None = None) -> Evaluation:
        service, own = self._variables.service, self._variables.own
        shown_values = [f"{name}={shown(value)}" for name, value in [*service.items(), *sorted(own.items())]]
        return Evaluation(
            dedicated=int(_number(service[DEDICATED])),
            low_priority=int(_number(service[LOW_PRIORITY])),
            option=DeallocationOption(str(service[DEALLOCATION])),
            results=";".join(shown_values),
            error=error,
        )

    def _assign(self, at: Position, name: str, value: Value) -> None:
        if name in METRICS or name in CONSTANTS:
            raise FormulaError(at, f"Cannot assign to read-only symbol: {name}")
        full = ALIASES.get(name, name)
        if name in ALIASES and full in self._variables.assigned:
            return
        if full in self._variables.service:
            self._variables.service[full] = _checked(at, full, value)
            self._variables.assigned |= {name}
        else:
            self._variables.own[name] = value

    def _value(self, expression: Expression) -> Value:
        """Evaluate an expression, and charge for what it yields before anything is made of it."""
        value = self._uncharged(expression)
        self._steps += 1 + (len(value) if isinstance(value, tuple) else 0)
        if self._steps > MAX_STEPS:
            raise FormulaError(expression.at, f"The evaluation takes more than {MAX_STEPS} steps")
        return value

    def _uncharged(self, expression: Expression) -> Value:
        match expression:
            case Number(value=number):
                return number
            case Text(value=text):
                return text
            case Name():
                return self._named(expression)
            case Choice():
                return self._chosen(expression)
            case Binary(operator="&&" | "||"):
                return self._logical(expression)
        try:
            return self._compound(expression)
        except NotDefinedError as exc:
            raise FormulaError(expression.at, str(exc)) from exc
        except OverflowError as exc:
            raise FormulaError(expression.at, "The result is out of range") from exc

    def _compound(self, expression: Expression) -> Value:
        match expression:
            case Unary():
                return negate(expression.operator, self._value(expression.operand))
            case Binary():
                return apply(expression.operator, self._value(expression.left), self._value(expression.right))
            case ListOf():
                return FUNCTIONS["vec"]([self._value(item) for item in expression.arguments])
            case Call():
                return self._called(expression)
            case Member(arguments=None):
                return member(self._value(expression.of), expression.name)
            case Member(arguments=arguments):
                values = [self._value(argument) for argument in arguments or ()]
                return call_method(self._value(expression.of), expression.name, values)
        raise AssertionError(expression)

    def _named(self, name: Name) -> Value:
        full = ALIASES.get(name.name, name.name)
        for known in (self._variables.service, self._variables.own, self._circumstances.metrics, CONSTANTS):
            if full in known:
                return known[full]
        raise FormulaError(name.at, f"Undefined symbol: {name.name}")

    def _chosen(self, choice: Choice) -> Value:
        return self._value(choice.chosen if self._holds(choice.condition) else choice.other)

    def _logical(self, expression: Binary) -> float:
        """Evaluate the right side only where it matters."""
        left = self._holds(expression.left)
        if left is (expression.operator == "||"):
            return float(left)
        return float(self._holds(expression.right))

    def _holds(self, expression: Expression) -> bool:
        value = scalar(self._value(expression))
        if not isinstance(value, float):
            raise FormulaError(expression.at, f"A double is expected as a condition, not {type_name(value)}")
        return bool(value)

    def _called(self, call: Call) -> Value:
        if call.name not in FUNCTIONS and call.name not in OF_THE_EVALUATOR:
            raise FormulaError(call.at, f"Undefined function: {call.name}")
        arguments = [self._value(argument) for argument in call.arguments]
        if call.name in FUNCTIONS:
            return FUNCTIONS[call.name](arguments)
        if call.name == "time":
            return self._time(arguments)
        if arguments:
            raise NotDefinedError(f"The function {call.name} takes no arguments")
        if call.name == "stop":
            raise _Stop
        return random.random()  # noqa: S311 - a formula's random number protects nothing

    def _time(self, arguments: list[Value]) -> datetime:
        match arguments:
            case [] | [""]:
                return self._circumstances.now
            case [str(text)]:
                return read_time(text)
        raise NotDefinedError("The function time takes a string or nothing")


def _checked(at: Position, name: str, value: Value) -> Value:
    """Return what a service-defined variable becomes. Raises FormulaError."""
    if name in TARGETS:
        number = _number(value)
        if math.isfinite(number):
            return float(min(max(int(number), 0), MOST_NODES))
        raise FormulaError(at, f"A finite number is expected for {name}")
    if value in list(DeallocationOption):
        return value
    raise FormulaError(at, f"One of {', '.join(DeallocationOption)} is expected for {name}")


def _number(value: Value) -> float:
    """Return a double as it is, anything else as not a number."""
    number = scalar(value)
    return number if isinstance(number, float) else math.nan
