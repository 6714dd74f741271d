"""Gathers what is wrong with settings, a file or a request, so that one message reports all of it.

The one way in which input is checked: readers note problems and go on with a value that fits the type; who began
raises at the end. A problem is a sentence that says what is wrong, with which value, and what would be right.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from batch_core.errors import ProblemsError


class Problems:
    """The problems found so far, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def note(self, problem: str) -> None:
        self._found[problem] = None

    def note_all(self, problems: Iterable[str]) -> None:
        self._found |= dict.fromkeys(problems)

    def raise_as(self, error: type[ProblemsError]) -> None:
        """Raise the error with every problem; do nothing if there is none."""
        if self._found:
            raise error(list(self._found))


def instead(name: str, names: Iterable[str]) -> str:
    """Return what to write in the place of a name that is none of these, as the end of a sentence."""
    known = list(names)
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
