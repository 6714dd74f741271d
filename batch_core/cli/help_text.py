"""The help of a command: what it is for, examples, and its options in columns; the same on a terminal and in a file."""

import io
import textwrap
from typing import Final

from cyclopts.help import HelpEntry, HelpPanel
from rich.console import Console, ConsoleOptions

_WIDTH: Final = 100
_INDENT: Final = " " * 4
#: Where what is said of an option begins.
_COLUMN: Final = 26


class HelpText:
    """What cyclopts has its help written by."""

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:  # noqa: ARG002 - the protocol's
        """Print how the command is called."""
        _print(console, _plain(usage).strip())

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:  # noqa: ARG002
        """Print what the command is for: its lines stay as they are."""
        _print(console, "", _plain(description).rstrip())

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:  # noqa: ARG002
        """Print arguments or options, each with what it means."""
        if panel.entries:
            _print(console, "", f"{_plain(panel.title)}:", *map(_entry, panel.entries))


def _entry(entry: HelpEntry) -> str:
    label = ", ".join(entry.display_labels) + (f" {entry.metavar}" if entry.metavar and entry.all_options else "")
    choices = [f"One of {', '.join(entry.choices)}."] if entry.choices else []
    default = [f"[{entry.default}]"] if entry.default is not None else []
    words = " ".join([_plain(entry.description), *choices, *default])
    first = f"{_INDENT}{label}"
    margin = " " * _COLUMN
    lines = textwrap.wrap(words, _WIDTH - _COLUMN, break_on_hyphens=False) or [""]
    beside = len(first) < _COLUMN
    return "\n".join(
        ([first.ljust(_COLUMN) + lines[0]] if beside else [first, margin + lines[0]])
        + [margin + line for line in lines[1:]]
    )


def _plain(text: object) -> str:
    """Return the text of what cyclopts would draw, line by line as it was written."""
    if text is None:
        return ""
    plain = Console(file=io.StringIO(), width=10_000, color_system=None, markup=False, highlight=False, emoji=False)
    with plain.capture() as captured:
        plain.print(text)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _print(console: Console, *lines: str) -> None:
    console.print("\n".join(lines), markup=False, highlight=False, emoji=False, soft_wrap=True)
