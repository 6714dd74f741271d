"""Parses a formula.

    formula    := statement? (";" statement?)*
    statement  := (name "=")? choice
    choice     := or ("?" choice ":" choice)?
    or         := and ("||" and)*
    and        := equality ("&&" equality)*
    equality   := relation (("==" | "!=") relation)*
    relation   := sum (("<" | "<=" | ">" | ">=") sum)*
    sum        := product (("+" | "-") product)*
    product    := sign (("*" | "/") sign)*
    sign       := ("-" | "!") sign | postfix
    postfix    := primary ("." name ("(" arguments ")")?)*
    primary    := number | string | name | name "(" arguments ")" | "(" choice ")" | "[" arguments "]"

The documentation gives operators and examples but no grammar; the ranks are those of C.
"""

from typing import Final

from batch_emulator.autoscale.errors import FIRST, FormulaError, Position
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
from batch_emulator.autoscale.tokens import Token, tokens_of

#: "can include up to 100 statements" (documentation: batch-automatic-scaling).
MAX_STATEMENTS: Final = 100

#: Deeper nesting is refused: parser and evaluator are recursive.
MAX_DEPTH: Final = 50

#: More operators of one rank in a row are refused for the same reason.
MAX_CHAIN: Final = 200

#: The binary operators by rank, the weakest first.
_RANKS: Final = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))


def parse(formula: str) -> list[Statement]:
    """Return the statements of a formula. Raises FormulaError."""
    return _Parser(formula).formula()


class _Parser:
    def __init__(self, formula: str) -> None:
        self._tokens = tokens_of(formula)
        self._next = next(self._tokens)
        self._depth = 0

    def formula(self) -> list[Statement]:
        statements: list[Statement] = []
        while self._next.kind != "end":
            if self._take(";"):
                continue
            statements.append(self._statement())
            if len(statements) > MAX_STATEMENTS:
                raise FormulaError(self._next.at, f"More than {MAX_STATEMENTS} statements")
            if self._next.kind != "end":
                self._expect(";")
        return statements

    def _statement(self) -> Statement:
        at = self._next.at
        value = self._choice()
        if not self._take("="):
            return Statement(at=at, target=None, value=value)
        if not isinstance(value, Name):
            raise FormulaError(at, "Only a variable can be assigned to")
        return Statement(at=at, target=value.name, value=self._choice())

    def _choice(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep(self._next.at)
        condition = self._binary(0)
        if (mark := self._next).text == "?" and self._take("?"):
            chosen = self._choice()
            self._expect(":")
            condition = Choice(at=mark.at, condition=condition, chosen=chosen, other=self._choice())
        self._depth -= 1
        return condition

    def _binary(self, rank: int) -> Expression:
        if rank == len(_RANKS):
            return self._sign()
        left, length = self._binary(rank + 1), 0
        while self._next.kind == "mark" and self._next.text in _RANKS[rank]:
            operator, length = self._advance(), length + 1
            if length > MAX_CHAIN:
                raise too_deep(operator.at)
            left = Binary(at=operator.at, operator=operator.text, left=left, right=self._binary(rank + 1))
        return left

    def _sign(self) -> Expression:
        signs: list[Token] = []
        while self._next.kind == "mark" and self._next.text in {"-", "!"}:
            signs.append(self._advance())
            if len(signs) > MAX_DEPTH:
                raise too_deep(self._next.at)
        operand = self._postfix()
        for sign in reversed(signs):
            operand = Unary(at=sign.at, operator=sign.text, operand=operand)
        return operand

    def _postfix(self) -> Expression:
        value = self._primary()
        while self._take("."):
            name = self._advance()
            if name.kind != "name":
                raise _unexpected(name)
            arguments = self._arguments(")") if self._take("(") else None
            value = Member(at=name.at, of=value, name=name.text, arguments=arguments)
        return value

    def _primary(self) -> Expression:
        token = self._advance()
        match token.kind:
            case "number":
                return Number(at=token.at, value=float(token.text))
            case "string":
                return Text(at=token.at, value=token.text[1:-1])
            case "name":
                if self._take("("):
                    return Call(at=token.at, name=token.text, arguments=self._arguments(")"))
                return Name(at=token.at, name=token.text)
        return self._bracketed(token)

    def _bracketed(self, opening: Token) -> Expression:
        if opening.text == "[":
            return ListOf(at=opening.at, arguments=self._arguments("]"))
        if opening.text != "(":
            raise _unexpected(opening)
        value = self._choice()
        self._expect(")")
        return value

    def _arguments(self, closing: str) -> tuple[Expression, ...]:
        if self._take(closing):
            return ()
        arguments = [self._choice()]
        while not self._take(closing):
            self._expect(",")
            arguments.append(self._choice())
        return tuple(arguments)

    def _advance(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _take(self, mark: str) -> bool:
        if self._next.kind != "mark" or self._next.text != mark:
            return False
        self._advance()
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise _unexpected(self._next, f", expected {mark}")


def _unexpected(token: Token, instead: str = "") -> FormulaError:
    what = "Unexpected end of the formula" if token.kind == "end" else f"Unexpected token: {token.text}"
    return FormulaError(token.at, what + instead)


def too_deep(at: Position = FIRST) -> FormulaError:
    """Build the refusal of a formula that the recursive parser and evaluator cannot follow."""
    return FormulaError(at, "The formula is nested too deeply")
