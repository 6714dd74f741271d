"""Fault rules: which requests go wrong, and how."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from batch_emulator.errors import ErrorCode, OtherCode
from batch_emulator.faults.form import Form, Invalid
from batch_emulator.values.documents import Document

#: Means every operation.
ANY: Final = "*"

#: The operation that can fail for single items.
COLLECTION: Final = "create_task_collection"

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_LONGEST_ID: Final = 256
_LONGEST_DELAY: Final = 3600.0

#: What a status means where a rule names no code.
_CODES_BY_STATUS: Final = {
    401: ErrorCode.TOKEN_REFUSED,
    403: ErrorCode.AUTHENTICATION_FAILED,
    429: ErrorCode.TOO_MANY_REQUESTS,
    500: ErrorCode.INTERNAL_ERROR,
    503: ErrorCode.SERVER_BUSY,
}
#: The first of those that share a code.
_CODES: Final = {error.code: error for error in reversed(ErrorCode)}


class When(StrEnum):
    #: The request is not executed.
    BEFORE = "before"
    #: The request has been executed, and its answer goes no further.
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An error in the service's shape; `retry_after` in seconds becomes the header."""

    error: OtherCode
    retry_after: int | None

    def on_wire(self) -> Document:
        answer: Document = {"status": self.error.status, "code": self.error.code, "message": self.error.message}
        return answer if self.retry_after is None else {**answer, "retryAfter": self.retry_after}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule: the conditions that a request must meet, how often, and what happens to it.

    `path` is the decoded beginning of a path, without regard to case. `delay` is in seconds.
    Of the requests that match, `skip` pass first; the rest are hit with `probability`, at most
    `times` of them (None for no limit). For `items` the single tasks are what is counted.
    """

    id: str
    operation: str | None
    method: str | None
    path: str | None
    when: When
    delay: float
    answer: Answer | None
    items: Answer | None
    cut: bool
    probability: float
    seed: int
    skip: int
    times: int | None

    @property
    def is_final(self) -> bool:
        """Whether the request gets no answer of its own any more."""
        return self.cut or self.answer is not None

    def matches(self, operation: str, method: str, path: str) -> bool:
        return (
            self.operation in {None, ANY, operation}
            and self.method in {None, method}
            and (self.path is None or path.lower().startswith(self.path.lower()))
        )

    def on_wire(self) -> Document:
        """Return the rule as it can be sent again."""
        rule: Document = {
            "id": self.id,
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "when": str(self.when),
            "delay": self.delay or None,
            "answer": self.answer.on_wire() if self.answer else None,
            "items": self.items.on_wire() if self.items else None,
            "cut": self.cut or None,
            "probability": self.probability,
            "seed": self.seed,
            "skip": self.skip,
            "times": self.times,
        }
        return {name: value for name, value in rule.items() if value is not None}


def read_faults(document: object, operations: frozenset[str], names: Iterator[str]) -> list[Fault]:
    """Read one rule, or `{"faults": [rule, ...]}`; a rule without an id gets the next name.

    Raises Invalid with every problem of every rule.
    """
    problems: list[str] = []
    faults = [_read_fault(form, operations, names) for form in _forms(document, problems)]
    if len({fault.id for fault in faults}) < len(faults):
        problems.append("faults: two rules have the same id")
    if problems:
        raise Invalid(problems)
    return faults


def _forms(document: object, problems: list[str]) -> list[Form]:
    if not isinstance(document, dict) or "faults" not in document:
        return [Form.of(document, "fault", problems)]
    problems += [f"{name}: beside faults there is nothing else" for name in document if name != "faults"]
    if not isinstance(document["faults"], list):
        problems.append("faults: a list is expected")
        return []
    return [Form.of(rule, f"faults[{index}]", problems) for index, rule in enumerate(document["faults"])]


def _read_fault(form: Form, operations: frozenset[str], names: Iterator[str]) -> Fault:
    probability, seed = form.number("probability", 0, 1), form.whole("seed", 0)
    fault = Fault(
        id=_read_id(form) or next(names),
        operation=form.text("operation", [ANY, *sorted(operations)]),
        method=form.text("method", _METHODS),
        path=form.text("path"),
        when=When(form.text("when", When) or When.BEFORE),
        delay=form.number("delay", 0, _LONGEST_DELAY) or 0.0,
        answer=_read_answer(form.form("answer")),
        items=_read_answer(form.form("items")),
        cut=form.flag("cut"),
        probability=1.0 if probability is None else probability,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        skip=form.whole("skip", 0) or 0,
        times=form.whole("times", 1),
    )
    form.close()
    for problem in _contradictions(fault, form):
        form.note(problem)
    return fault


def _read_id(form: Form) -> str | None:
    """Read an id, which is a part of a URL: by a dot or two, DELETE would be asked for another one."""
    given = form.text("id")
    if given is not None and (given in {".", ".."} or len(given) > _LONGEST_ID):
        form.note(f"id: at most {_LONGEST_ID} characters are expected, and neither '.' nor '..'")
        return None
    return given


def _contradictions(fault: Fault, form: Form) -> Iterator[str]:
    given = {name for name, value in form.source.items() if value is not None}
    if not {"operation", "method", "path"} & given:
        yield 'operation, method or path is needed; "operation": "*" means every request'
    if fault.path is not None and not fault.path.startswith("/"):
        yield "path begins with a slash"
    if not {"answer", "items", "cut", "delay"} & given:
        yield "answer, items, cut or delay is needed: what is to happen"
    if len({"answer", "items", "cut"} & given) > 1:
        yield "answer, items and cut exclude each other"
    if "items" in given and fault.operation != COLLECTION:
        yield f"items needs the operation {COLLECTION}"
    if "items" in given and fault.when is When.AFTER:
        yield "items are refused before they are added; leave out when"


def _read_answer(form: Form | None) -> Answer | None:
    if form is None:
        return None
    status, code, message = form.whole("status", 400, 599), form.text("code"), form.text("message")
    retry_after = form.whole("retryAfter", 0, 86_400)
    form.close()
    known = _CODES.get(code) if code else _CODES_BY_STATUS.get(status or 0)
    if known is not None:
        code, status, message = known.code, status or known.status, message or known.message
    if code is None or status is None:
        form.note("status and code are needed, or one that implies the other")
        return None
    error = OtherCode(code=code, status=status, message=message or "A fault rule refuses this request.")
    return Answer(error=error, retry_after=retry_after)
