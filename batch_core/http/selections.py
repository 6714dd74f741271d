"""Selections by HTTP: what a request asks for of many tasks at once, and what it is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from batch_core.errors import InvalidRequest
from batch_core.http.bodies import document_of, unknown_words
from batch_core.http.replies import Reply
from batch_core.http.task_lists import DAY_RULE, day_of
from batch_core.naming import MAX_BLOB_NAME_LENGTH, is_blob_name
from batch_core.problems import Problems
from batch_core.selections import Wanted
from batch_core.state.listing import RecordFilter
from batch_core.state.record import TaskState
from batch_core.state.selections import Action, Selection

_WORDS: Final = ("action", "state", "day", "route", "prefix", "dry_run")
_EXAMPLE: Final = '{"action": "retry", "state": ["failed"], "dry_run": true}'


@dataclass(frozen=True, kw_only=True)
class SelectionRequest:
    """What `POST /api/selections` asks for."""

    wanted: Wanted
    is_dry_run: bool

    @classmethod
    def parse(cls, body: bytes) -> "SelectionRequest":
        """Read the JSON body; raises `InvalidRequest` with every problem at once."""
        document = document_of(body, _EXAMPLE)
        problems = Problems()
        problems.note_all(unknown_words(document, _WORDS))
        action = document.get("action")
        if action not in list(Action):
            problems.note(f"'action' must be {' or '.join(Action)}")
        states = _states(document.get("state"), problems)
        texts = {name: _text(name, document.get(name), problems) for name in ("day", "route", "prefix")}
        day = _day(texts["day"], problems)
        if not isinstance(document.get("dry_run", False), bool):
            problems.note("'dry_run' must be true or false")
        problems.raise_as(InvalidRequest)
        wanted = RecordFilter(states=states, route=texts["route"] or None, prefix=texts["prefix"] or "")
        return cls(
            wanted=Wanted(action=Action(str(action)), filter=wanted, day=day),
            is_dry_run=bool(document.get("dry_run", False)),
        )


def count_reply(number: int, *, is_all: bool) -> Reply:
    """Return how many tasks are meant."""
    return Reply(status=200, document={"count": number, "is_all": is_all})


def selection_reply(selection: Selection) -> Reply:
    """Return a selection with 200 if it has been carried out, with 202 while it is under way."""
    return Reply(status=200 if selection.finished_at else 202, document=_shown(selection))


def one_reply(selection: Selection) -> Reply:
    return Reply(status=200, document=_shown(selection))


def selections_reply(selections: Sequence[Selection]) -> Reply:
    return Reply(status=200, document={"selections": [_shown(one) for one in selections]})


def _shown(selection: Selection) -> dict[str, object]:
    wanted = selection.wanted
    return {
        "selection_id": selection.selection_id,
        "action": selection.action,
        "state": sorted(wanted.states),
        "day": selection.day,
        "route": wanted.route,
        "prefix": wanted.prefix,
        "asked_at": selection.asked_at,
        "asked_by": selection.asked_by,
        "done": selection.done,
        "refused": selection.refused,
        "refusal": selection.refusal,
        "finished_at": selection.finished_at,
    }


def _states(value: object, problems: Problems) -> frozenset[TaskState]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str) and name in set(TaskState) for name in names):
        return frozenset(map(TaskState, names))
    if value is not None:
        problems.note(f"'state' must be a list of {', '.join(TaskState)}")
    return frozenset()


def _text(name: str, value: object, problems: Problems) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and is_blob_name(value):
        return value
    # An empty one would mean every task, which nobody means who sends one.
    problems.note(f"{name!r} must be a text of 1 to {MAX_BLOB_NAME_LENGTH} characters: leave it out to mean all")
    return ""


def _day(text: str, problems: Problems) -> str | None:
    try:
        return day_of(text) if text else None
    except ValueError:
        problems.note(f"'day' is {text[:100]!r}: it must be {DAY_RULE}")
        return None
