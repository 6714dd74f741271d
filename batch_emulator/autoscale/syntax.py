"""What a formula is made of: statements of expressions."""

from dataclasses import dataclass

from batch_emulator.autoscale.errors import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    at: Position
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    at: Position
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A variable or a constant."""

    at: Position
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOf:
    """`[1, 2, 3]`."""

    at: Position
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unary:
    at: Position
    operator: str
    operand: "Expression"


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    at: Position
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """`condition ? chosen : other`."""

    at: Position
    condition: "Expression"
    chosen: "Expression"
    other: "Expression"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """`name(arguments)`."""

    at: Position
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """`of.name`, or `of.name(arguments)` where there are arguments, be it none."""

    at: Position
    of: "Expression"
    name: str
    arguments: "tuple[Expression, ...] | None"


type Expression = Number | Text | Name | ListOf | Unary | Binary | Choice | Call | Member


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """An expression; its value is kept where `target` names a variable."""

    at: Position
    target: str | None
    value: Expression
