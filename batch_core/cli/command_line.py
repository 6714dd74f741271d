"""`batchdrop` and `python -m batch_core`: the command line of the app.

Settings come from the environment and, as with `func start`, from the `local.settings.json` of this folder if there is
one; the environment wins. It works on Storage and Batch as the app does, and needs no app that runs.
"""

import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from batch_core.errors import AppError, ProblemsError, RoutesError, SettingsError

_WRONG: Final = {SettingsError: "These settings are wrong:", RoutesError: "These routes are wrong:"}
#: What only the command line needs, and what is deployed does not have.
_EXTRA: Final = frozenset({"cyclopts", "rich"})


def main() -> int:
    """Run the command and return its exit code.

    0 done, 1 a task or a service failed or a question was not answered, 2 wrong settings or arguments, 130 Ctrl-C.
    """
    _open_streams()
    # What it has tried, and why each failed, on many lines; a sentence says what to do.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        # Imported here: without a package of the extra, a sentence says how to get it.
        from batch_core.cli.program import parse  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        if exc.name not in _EXTRA:
            raise
        print(f"The command line needs the package {exc.name}: pip install 'batchdrop[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _stopped()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the encoding of a terminal or a pipe has no letters for is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    name = "batchdrop" if Path(sys.argv[0]).name.startswith("batchdrop") else "python -m batch_core"
    try:
        command = parse(name, sys.argv[1:])
    except KeyboardInterrupt:
        return _stopped()
    return _run(command)


def _open_streams() -> None:
    """Let what is printed go nowhere where a stream is closed, which is None to Python."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for as long as the process
            setattr(sys, name, stream)


def _stopped() -> int:
    print("\nstopped by Ctrl-C", file=sys.stderr)
    return 130


def _run(command: Callable[[], int]) -> int:
    try:
        code = command()
        sys.stdout.flush()
    except ProblemsError as exc:
        print(_WRONG.get(type(exc), "This cannot be done:"), *exc.problems, sep="\n  ", file=sys.stderr)
        return 2
    except AppError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        # Who reads it has read enough.
        _drop_output()
        return 1
    except OSError as exc:
        # Where results go is full, say.
        _drop_output()
        print(f"cannot go on: {exc.strerror or exc}", file=sys.stderr)
        return 1
    return code


def _drop_output() -> None:
    """Leave nothing to be flushed when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
