"""What is asked before something is done that cannot be undone."""

import sys

from batch_core.cli.escaping import printable
from batch_core.errors import AppError


class NoAnswer(AppError):
    """Nobody answers the questions: nothing is done."""


def can_be_asked() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_wanted(question: str, otherwise: str) -> bool:
    """Ask; only a written yes counts. Raises `NoAnswer`, with what comes `otherwise`, where it is closed (Ctrl-D)."""
    # Not on standard output, which may go into a file.
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    try:
        answer = input()
    except EOFError as exc:
        raise NoAnswer(f"\n{otherwise}: there was no answer.") from exc
    return answer.strip().lower() in {"y", "yes"}
