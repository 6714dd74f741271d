"""Autoscale settings of pools: validation, and the result of an evaluation on the wire."""

from typing import Final

from batch_emulator.autoscale.checking import MAX_LENGTH, check
from batch_emulator.autoscale.errors import FormulaError
from batch_emulator.autoscale.evaluator import Evaluation
from batch_emulator.errors import BatchError, ErrorCode, invalid_property, missing_property
from batch_emulator.model.schema import duration, filled_text, record
from batch_emulator.values.documents import Document
from batch_emulator.values.durations import TICKS_PER_SECOND, parse_duration

#: "The default value is 15 minutes. The minimum and maximum value are 5 minutes and 168 hours respectively" (SDK
#: documentation of autoScaleEvaluationInterval).
DEFAULT_INTERVAL: Final = "PT15M"
_SHORTEST: Final = 5 * 60 * TICKS_PER_SECOND
_LONGEST: Final = 168 * 3600 * TICKS_PER_SECOND

_SETTINGS: Final = ("autoScaleFormula", "autoScaleEvaluationInterval")
_TARGETS: Final = ("targetDedicatedNodes", "targetLowPriorityNodes")


def evaluation_interval(name: str, value: object) -> str:
    """Read an evaluation interval. Raises InvalidPropertyValue."""
    interval = duration(name, value)
    if not _SHORTEST <= parse_duration(interval) <= _LONGEST:
        raise invalid_property(name, value, "An evaluation interval is between 5 minutes and 168 hours")
    return interval


def any_formula(name: str, value: object) -> str:
    """Read a formula, right or wrong. Raises AutoScalingFormulaTooLong."""
    formula = filled_text(name, value)
    if len(formula) > MAX_LENGTH:
        raise BatchError(ErrorCode.AUTO_SCALING_FORMULA_TOO_LONG, PropertyName=name, MaxLimit=MAX_LENGTH)
    return formula


def formula(name: str, value: object) -> str:
    """Read a formula that could be evaluated. Raises AutoScalingFormulaSyntaxError."""
    source = any_formula(name, value)
    try:
        check(source)
    except FormulaError as exc:
        raise BatchError(ErrorCode.AUTO_SCALING_SYNTAX_ERROR, PropertyName=name, Message=str(exc)) from exc
    return source


_enabling = record({"autoScaleFormula": formula, "autoScaleEvaluationInterval": evaluation_interval})
_evaluation = record({"autoScaleFormula": any_formula}, frozenset({"autoScaleFormula"}))


def read_enabling(body: Document, current: Document) -> Document:
    """Return a pool's properties with autoscale enabled; what is not given stays as it was."""
    given: Document = _enabling("", {name: body[name] for name in _SETTINGS if name in body})
    if "autoScaleFormula" not in given and not current["enableAutoScale"]:
        raise missing_property("autoScaleFormula")
    return {"autoScaleEvaluationInterval": DEFAULT_INTERVAL, **current, **given, "enableAutoScale": True}


def without_auto_scale(current: Document) -> Document:
    """Return a pool's properties with autoscale disabled: its size stays as it is."""
    kept = {name: value for name, value in current.items() if not name.startswith("autoScale")}
    return {**kept, "enableAutoScale": False}


def read_evaluation(body: Document) -> str:
    """Return the formula that is to be evaluated."""
    return str(_evaluation("", body)["autoScaleFormula"])


def check_settings(pool: Document, given: Document) -> None:
    """Check that a new pool has either targets or a formula. Raises BatchError."""
    if not pool["enableAutoScale"]:
        for name in _SETTINGS:
            if name in pool:
                raise invalid_property(name, "", "It needs enableAutoScale")
        return
    if "autoScaleFormula" not in pool:
        raise missing_property("autoScaleFormula")
    for name in _TARGETS:
        if name in given:
            raise invalid_property(name, given[name], "The size of the pool follows its autoscale formula")


def run_on_wire(evaluation: Evaluation, timestamp: str) -> Document:
    """Return an AutoScaleRun, as a reply and as a pool shows it."""
    run: Document = {"timestamp": timestamp, "results": evaluation.results}
    if evaluation.error is not None:
        run["error"] = {
            "code": "AutoScalingFormulaEvaluationError",
            "message": "The specified auto-scaling formula has evaluation error",
            "values": [{"name": "Message", "value": evaluation.error}],
        }
    return run
