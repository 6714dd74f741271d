"""Splits a command line into a program and its arguments, without a shell.

"The command line does not run under a shell, and therefore cannot take advantage of shell features
such as environment variable expansion" (SDK documentation of BatchTask.commandLine).
"""

import shlex


def split_command_line(command_line: str) -> list[str]:
    r"""Return the program and its arguments. Raises ValueError.

    Quotes work as everywhere on Linux: nothing is special between single quotes; between double
    quotes a backslash keeps `"` and `\`; elsewhere a backslash keeps the next character.
    """
    words = shlex.split(command_line)
    if not words:
        raise ValueError("The command line names no program")
    return words
