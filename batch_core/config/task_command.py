"""The command line of the tasks: what can never work, and what probably does not do what was meant.

Batch runs the program itself: "the command line does not run under a shell, and therefore cannot take advantage of
shell features such as environment variable expansion" (https://learn.microsoft.com/rest/api/batchservice/tasks/create-task).
"""

import re
import shlex
from collections.abc import Container
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from batch_core.redaction import shown

_SHELLS: Final = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "cmd", "powershell", "pwsh"}
_WINDOWS_PROGRAMS: Final = {"cmd", "powershell", "pwsh"}
_OPERATOR: Final = re.compile(r"\|\|?|&&?|[0-9]?>>?(&[0-9])?|<|;")
_ENDS_A_COMMAND: Final = re.compile(r"[^'\"\\]+;")
# Quotes are kept, so that a quoted operator differs from a bare one.
_WORD: Final = re.compile(r"""(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\])+""", re.DOTALL)
_REDIRECTION: Final = re.compile(r"[0-9]?>>?\S+")
#: A word's parts in which a shell expands variables: bare or in double quotes, without what a backslash is before.
_EXPANDED: Final = re.compile(r"""\\.|'[^']*'|("(?:\\.|[^"\\])*"|[^\s'"\\]+)""", re.DOTALL)
_NAMED: Final = re.compile(r"\$(\{?)([A-Za-z_][A-Za-z0-9_]*)")
#: Names that the app or Batch gives, and no program of its own.
_GIVEN: Final = re.compile(r"(INPUT|AZ)_[A-Z0-9_]+")
_VARIABLE: Final = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?|%[A-Z_][A-Z0-9_]*%")
_REMEDY: Final = "/bin/bash -c '...'"


def command_problem(command_line: str) -> str | None:
    """Say why a command line can never work, as the rest of a sentence that begins with its name; None: it may.

    Refused are quotes that are not closed and, without a shell, a bare `|`, `>`, `<`, `&&` or `;` and what `unexpanded`
    finds: the program would get it as an argument. A program that wants such an argument gets it in quotes. What begins
    with cmd or PowerShell is read by the rules of Windows, and not judged.
    """
    if _is_windows(command_line):
        return None
    try:
        words = shlex.split(command_line)
    except ValueError:
        return "has a quote that is not closed, or ends in a backslash"
    if _has_shell(words):
        return None
    bare = next(filter(_is_bare_operator, _WORD.findall(command_line)), None)
    if bare is None:
        return unexpanded(command_line)
    return (
        f"holds {shown(bare)}, which no shell reads: write {_REMEDY}, or put it into quotes if the program wants it so"
    )


def unexpanded(command_line: str, own: Container[str] = ()) -> str | None:
    """Say which variable nothing expands, as the rest of a sentence that begins with the command's name; None: none.

    That is, without a shell, a `$NAME` of the app, of Batch or of the route's own variables, and any `${NAME}`, where a
    shell would expand it: the program would get it letter by letter. In single quotes it is meant so. Raises
    `ValueError` for a quote that is not closed.
    """
    if _is_windows(command_line) or _has_shell(shlex.split(command_line)):
        return None
    parts = (re.sub(r"\\.", "", match[1] or "", flags=re.DOTALL) for match in _EXPANDED.finditer(command_line))
    for brace, name in (match for part in parts for match in _NAMED.findall(part)):
        if _GIVEN.fullmatch(name) or name in own or (brace and name.isupper()):
            return (
                f"holds {f'${{{name}}}' if brace else f'${name}'}, which nothing expands, as Batch starts no shell:"
                f" write {_REMEDY}, or put it into single quotes if the program wants it so"
            )
    return None


def wrong_variable(command_line: str, *, is_folder: bool) -> str | None:
    """Say that a command uses the variable of the other kind of input, as the rest of a sentence; None: it does not.

    A command that gives that variable a value, or has another for the case that it is not set, may use it.
    """
    used, right = ("INPUT_FILE", "INPUT_FOLDER") if is_folder else ("INPUT_FOLDER", "INPUT_FILE")
    if not re.search(rf"\b{used}\b", command_line) or re.search(
        rf"\b{used}\s*=(?!=)|\$\{{{used}:?[-+=?]", command_line
    ):
        return None
    if is_folder:
        return f'uses {used}, which a route with inputs = "folder" does not set: its variable is {right}'
    return f'uses {used}, which only a route with inputs = "folder" sets: the variable of a file is {right}'


def command_warnings(command_line: str, name: str = "TASK_COMMAND_LINE") -> tuple[str, ...]:
    """Return warnings about a command line that is valid, a sentence each, which begins with its name.

    Warned of is a variable where nothing expands it: the program would get `$INPUT_FILE` letter by letter.
    """
    if _is_windows(command_line) or command_problem(command_line):
        return ()
    if _has_shell(shlex.split(command_line)):
        return ()
    variables = dict.fromkeys(match.group() for match in _VARIABLE.finditer(command_line))
    return tuple(
        f"{name} names {variable} without a shell, and Batch expands no variables: write {_REMEDY}"
        for variable in variables
    )


def _is_windows(command_line: str) -> bool:
    first = command_line.split(maxsplit=1)[0].strip('"') if command_line.strip() else ""
    return PureWindowsPath(first).stem.lower() in _WINDOWS_PROGRAMS


def _has_shell(words: list[str]) -> bool:
    # Anywhere: `timeout 60 bash -c ...`, `/usr/bin/env sh x.sh`.
    return any(PurePosixPath(word).name in _SHELLS for word in words)


def _is_bare_operator(word: str) -> bool:
    return bool(_OPERATOR.fullmatch(word) or _REDIRECTION.fullmatch(word) or _ENDS_A_COMMAND.fullmatch(word))
