"""The commands, as they are written: parsed by cyclopts, each with its own help."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final, NoReturn

from cyclopts import App as Program
from cyclopts import CycloptsError, MissingArgumentError, UnknownOptionError, UnusedCliTokensError

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
        made[name].usage = f"usage: batchdrop {_synopsis(made, name)}"
    return made


def _synopsis(made: Program, command: str) -> str:
    """Return how a command is written, such as `routes ACTION [NAME] [OPTIONS]`."""
    positional = [one for one in made[command].assemble_argument_collection() if one.index is not None]
    words = [one.name if one.required else f"[{one.name}]" for one in positional]
    return " ".join([command, *words, "[OPTIONS]"])


def parse(name: str, arguments: Sequence[str]) -> Callable[[], int]:
    """Return what runs the command; ends the process with code 2 and a sentence for arguments that name none."""
    calling = _Calling(prog=name)
    given = list(arguments)
    if given == ["--version"]:
        return partial(overview.show_version, name)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    check_command(calling, given, list(COMMANDS), _ELSEWHERE)
    if not given:
        calling.error("the following arguments are required: COMMAND")
    if given[0] in {"-h", "--help"}:
        return partial(overview.show, name, COMMANDS)
    made = program()
    calling.synopsis = _synopsis(made, given[0])
    try:
        command, bound, _ = made.parse_args(given, exit_on_error=False, print_error=False)
    except (UnknownOptionError, UnusedCliTokensError) as exc:
        calling.error(_unrecognized(exc, given[0], _options(made, given[0])))
    except MissingArgumentError as exc:
        calling.error(_missing(exc))
    except CycloptsError as exc:
        calling.error(str(exc))

    def run() -> int:
        try:
            return int(command(*bound.args, **bound.kwargs) or 0)
        except UsageError as exc:
            calling.error(str(exc))

    return run


def _options(made: Program, command: str) -> list[str]:
    arguments = made[command].assemble_argument_collection()
    return [name for one in arguments for name in one.names if name.startswith("--")]


def _unrecognized(error: UnknownOptionError | UnusedCliTokensError, command: str, options: Sequence[str]) -> str:
    if isinstance(error, UnknownOptionError):
        option = error.token.keyword or error.token.value
        near = get_close_matches(option, options, n=1)
        return f"unrecognized arguments: {option}" + (f": did you mean {near[0]}?" if near else "")
    names = error.unused_tokens or []
    hint = ""
    if command == "list" and len(names) == 1:
        hint = f": `show {names[0]}` shows a file's tasks, `list --prefix {names[0]}` lists by how names begin"
    return f"unrecognized arguments: {' '.join(names)}{hint}"


def _missing(error: MissingArgumentError) -> str:
    if error.argument is None:
        return str(error)
    is_option = error.argument.name.startswith("-")
    return f"{error.argument.name} needs a value" if is_option else f"{error.argument.name} is missing"


@dataclass
class _Calling:
    """How the program was called, and how the command is written that was meant."""

    prog: str
    synopsis: str = "COMMAND [OPTIONS]"

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        command = self.synopsis.partition(" ")[0]
        usage = f"usage: {self.prog} {self.synopsis}; {self.prog} {command} --help explains "
        usage += "a command" if command == "COMMAND" else "it"
        print(usage, f"{self.prog}: error: {printable(message)}", sep="\n", file=sys.stderr)
        raise SystemExit(2)
