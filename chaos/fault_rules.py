"""What the Batch emulator is asked to do wrong with requests for a while: rules for its `/_emulator/faults`."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

type Rule = dict[str, Any]

_ADD: Final = "create_task_collection"
_OPERATIONS: Final = ("*", "*", "*", _ADD, "create_job", "list_tasks", "download_task_file")


def _throttled(dice: Random) -> Rule:
    return {"operation": dice.choice(_OPERATIONS), "answer": {"status": 429, "retryAfter": 1}, "probability": 0.3}


def _unavailable(dice: Random) -> Rule:
    return {"operation": dice.choice(_OPERATIONS), "answer": {"status": 503}, "probability": 0.4}


def _down(dice: Random) -> Rule:
    # Longer than the app's clients try again.
    return {"operation": dice.choice(_OPERATIONS[:4]), "answer": {"status": 503}, "times": dice.randint(6, 15)}


def _delayed(dice: Random) -> Rule:
    return {"operation": dice.choice(_OPERATIONS), "delay": round(dice.uniform(0.1, 1.5), 2), "probability": 0.4}


def _cut_before(dice: Random) -> Rule:
    return {"operation": dice.choice(_OPERATIONS), "cut": True, "probability": 0.4}


def _cut_after(dice: Random) -> Rule:
    return {"operation": dice.choice(_OPERATIONS), "cut": True, "when": "after", "probability": 0.5}


def _failing_items(_: Random) -> Rule:
    return {"operation": _ADD, "items": {"status": 500}, "probability": 0.25}


_KINDS: Final[dict[str, Callable[[Random], Rule]]] = {
    "throttled": _throttled,
    "unavailable": _unavailable,
    "down": _down,
    "delayed": _delayed,
    "cut before": _cut_before,
    "cut after": _cut_after,
    "failing items": _failing_items,
}


def rules(dice: Random) -> list[Rule]:
    """Return up to three kinds of trouble; a rule's id is its kind."""
    kinds = dice.sample(sorted(_KINDS), dice.randint(1, 3))
    return [{"id": kind.replace(" ", "-"), "seed": dice.randrange(2**31), **_KINDS[kind](dice)} for kind in kinds]
