"""The commands, as they are written: parsed by cyclopts, each with its own help."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

from cyclopts import App as Program
from cyclopts import CycloptsError, UnknownOptionError, UnusedCliTokensError

from batch_core.cli import acting, glance, overview, pausing, upkeep
from batch_core.cli.commands import check_command
from batch_core.cli.completion import completion
from batch_core.cli.doctor import doctor
from batch_core.cli.dropping import drop
from batch_core.cli.escaping import printable
from batch_core.cli.getting import get
from batch_core.cli.help_text import HelpText
from batch_core.cli.printing import logs
from batch_core.cli.routes_command import routes
from batch_core.cli.task_list import list_command
from batch_core.cli.task_show import show
from batch_core.cli.usage import UsageError

#: Each is explained by its docstring.
COMMANDS: Final[dict[str, Callable[..., int]]] = {
    "list": list_command,
    "show": show,
    "logs": logs,
    "get": get,
    "pools": glance.pools,
    "summary": glance.summary,
    "watch": glance.watch,
    "pauses": pausing.pauses,
    "drop": drop,
    "submit": acting.submit,
    "cancel": acting.cancel,
    "retry": acting.retry,
    "pause": pausing.pause,
    "resume": pausing.resume,
    "doctor": doctor,
    "setup": upkeep.setup,
    "teardown": upkeep.teardown,
    "tidy": upkeep.tidy,
    "sweep": upkeep.sweep,
    "routes": routes,
    "completion": completion,
}
_ELSEWHERE: Final = dict.fromkeys(("up", "demo", "example"), "python -m local")


def program() -> Program:
    """Return what parses the commands and prints their help."""
    made = Program(name="batchdrop", version_flags=[], help_formatter=HelpText(), help_format="plaintext")
    for name, function in COMMANDS.items():
        # As it is written: else examples would be taken for a section of a docstring's own.
        made.command(function, name=name, help=inspect.getdoc(function))
    return made


def parse(name: str, arguments: Sequence[str]) -> Callable[[], int]:
    """Return what runs the command; ends the process with code 2 and a sentence for arguments that name none."""
    calling = _Calling(prog=name)
    check_command(calling, arguments, list(COMMANDS), _ELSEWHERE)
    if not arguments:
        calling.error("the following arguments are required: COMMAND")
    if arguments[0] in {"-h", "--help"}:
        return partial(overview.show, name, COMMANDS)
    try:
        command, bound, _ = program().parse_args(list(arguments), exit_on_error=False, print_error=False)
    except (UnknownOptionError, UnusedCliTokensError) as exc:
        calling.error(f"unrecognized arguments: {_unrecognized(exc)}")
    except CycloptsError as exc:
        calling.error(str(exc))

    def run() -> int:
        try:
            return int(command(*bound.args, **bound.kwargs) or 0)
        except UsageError as exc:
            calling.error(str(exc))

    return run


def _unrecognized(error: UnknownOptionError | UnusedCliTokensError) -> str:
    if isinstance(error, UnknownOptionError):
        return error.token.keyword or error.token.value
    return " ".join(error.unused_tokens or [])


@dataclass
class _Calling:
    """How the program was called."""

    prog: str

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        usage = f"usage: {self.prog} COMMAND [OPTIONS]; {self.prog} COMMAND --help explains a command"
        print(usage, f"{self.prog}: error: {printable(message)}", sep="\n", file=sys.stderr)
        raise SystemExit(2)
