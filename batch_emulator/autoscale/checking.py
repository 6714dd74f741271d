"""Checks formulas before they are taken: what no sample and no time of day could make right."""

from collections.abc import Iterator
from typing import Final

from batch_emulator.autoscale.errors import FormulaError
from batch_emulator.autoscale.functions import FUNCTIONS
from batch_emulator.autoscale.parser import parse, too_deep
from batch_emulator.autoscale.symbols import (
    ALIASES,
    CONSTANTS,
    DEALLOCATION,
    METRICS,
    OF_THE_EVALUATOR,
    TARGETS,
)
from batch_emulator.autoscale.syntax import Binary, Call, Choice, Expression, ListOf, Member, Name, Statement, Unary

#: "The formula string cannot exceed 8 KB" (documentation: batch-automatic-scaling).
MAX_LENGTH: Final = 8192


def check(formula: str) -> None:
    """Raise FormulaError for a formula with a syntax error, or with a name that means nothing."""
    known = {*ALIASES, *CONSTANTS, *METRICS, *TARGETS, DEALLOCATION}
    try:
        for statement in parse(formula):
            _check_statement(statement, known)
            known |= {statement.target} if statement.target else set()
    except RecursionError as exc:
        raise too_deep() from exc


def _check_statement(statement: Statement, known: set[str]) -> None:
    if statement.target in METRICS or statement.target in CONSTANTS:
        raise FormulaError(statement.at, f"Cannot assign to read-only symbol: {statement.target}")
    for expression in _parts(statement.value):
        match expression:
            case Name(name=name) if name not in known:
                raise FormulaError(expression.at, f"Undefined symbol: {name}")
            case Call(name=name) if name not in FUNCTIONS and name not in OF_THE_EVALUATOR:
                raise FormulaError(expression.at, f"Undefined function: {name}")


def _parts(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and everything that it is made of, from left to right."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(_children(part))


def _children(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Unary():
            return (expression.operand,)
        case Binary():
            return (expression.left, expression.right)
        case Choice():
            return (expression.condition, expression.chosen, expression.other)
        case Call() | ListOf():
            return expression.arguments
        case Member():
            return (expression.of, *(expression.arguments or ()))
    return ()
