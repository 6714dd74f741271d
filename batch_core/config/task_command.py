"""The command line of the tasks: what can never work, and what probably does not do what was meant.

Batch runs the program itself: "the command line does not run under a shell, and therefore cannot take advantage of
shell features such as environment variable expansion" (https://learn.microsoft.com/rest/api/batchservice/tasks/create-task).
"""

import re
import shlex
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
_VARIABLE: Final = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\}?|%[A-Z_][A-Z0-9_]*%")
_REMEDY: Final = "/bin/bash -c '...'"


def command_problem(command_line: str) -> str | None:
    """Say why a command line can never work, as the rest of a sentence that begins with its name; None: it may.

    Refused are quotes that are not closed and, without a shell, a bare `|`, `>`, `<`, `&&` or `;`: the program would
    get it as an argument. A program that wants such an argument gets it in quotes. What begins with cmd or PowerShell
    is read by the rules of Windows, and not judged.
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
        return None
    return (
        f"holds {shown(bare)}, which no shell reads: write {_REMEDY}, or put it into quotes if the program wants it so"
    )


def command_warnings(command_line: str) -> tuple[str, ...]:
    """Return warnings about a command line that is valid, a sentence each.

    Warned of is a variable where nothing expands it: the program would get `$INPUT_FILE` letter by letter.
    """
    if _is_windows(command_line) or command_problem(command_line):
        return ()
    if _has_shell(shlex.split(command_line)):
        return ()
    names = dict.fromkeys(match.group() for match in _VARIABLE.finditer(command_line))
    return tuple(
        f"TASK_COMMAND_LINE names {name} without a shell, and Batch expands no variables: write {_REMEDY}"
        for name in names
    )


def _is_windows(command_line: str) -> bool:
    first = command_line.split(maxsplit=1)[0].strip('"') if command_line.strip() else ""
    return PureWindowsPath(first).stem.lower() in _WINDOWS_PROGRAMS


def _has_shell(words: list[str]) -> bool:
    # Anywhere: `timeout 60 bash -c ...`, `/usr/bin/env sh x.sh`.
    return any(PurePosixPath(word).name in _SHELLS for word in words)


def _is_bare_operator(word: str) -> bool:
    return bool(_OPERATOR.fullmatch(word) or _REDIRECTION.fullmatch(word) or _ENDS_A_COMMAND.fullmatch(word))
