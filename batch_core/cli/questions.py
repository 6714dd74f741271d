"""What is asked before something is done that cannot be undone."""

import sys

from batch_core.cli.terminal import Terminal
from batch_core.errors import AppError


class NoAnswer(AppError):
    """Nobody answers the questions: nothing is done."""


def can_be_asked() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty()


def is_wanted(question: str, terminal: Terminal, otherwise: str) -> bool:
    """Ask; only a written yes counts. Raises `NoAnswer`, with what comes `otherwise`, where it is closed (Ctrl-D)."""
    if terminal.is_json:
        terminal.say(f"{question} [y/N]")
        question = ""
    try:
        answer = input(f"{question} [y/N] " if question else "")
    except EOFError as exc:
        raise NoAnswer(f"\n{otherwise}: there was no answer.") from exc
    return answer.strip().lower() in {"y", "yes"}
