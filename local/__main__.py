"""The local stack: Azurite, the Batch emulator and a Functions host on this machine."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

from batch_core.cli.commands import check_command
from local import demo, example, up
from local.errors import StackError
from local.functions_host import HostKind
from local.settings_file import CHECKOUT, AppSettings
from local.stack import Plan

_ENDING: Final = "\nEnding..."
_COMMANDS: Final = {
    "up": "run the stack on its usual ports until Ctrl-C, and keep its state in .stack",
    "demo": "take three files through a throwaway stack",
    "example": "run one of the examples on a throwaway stack",
}
_ELSEWHERE: Final = dict.fromkeys(("drop", "show", "list", "setup", "teardown", "tidy"), "batchdrop")


def main() -> int:
    """Run one command; return 0, 1 with a message on standard error, or 130 after Ctrl-C."""
    parser = _parser()
    check_command(parser, sys.argv[1:], list(_COMMANDS), _ELSEWHERE)
    arguments = parser.parse_args()
    try:
        caught = asyncio.run(_until_signal(_command(arguments)))
    except StackError as exc:
        print(exc, file=sys.stderr)
        return 1
    # To end the stack is how `up` is meant to end; a demo that was ended has shown nothing.
    return 128 + caught if caught and arguments.command != "up" else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    made = {name: commands.add_parser(name, help=text, description=text) for name, text in _COMMANDS.items()}
    for name in ("up", "demo", "example"):
        made[name].add_argument(
            "--host",
            choices=["func", "embedded", "auto"],
            default="auto",
            help="which Functions host: Microsoft's, the embedded one, func if it is there (auto)",
        )
    made["example"].add_argument("name", metavar="NAME", help=f"one of {', '.join(example.names())}")
    state = "where state and logs are kept (.stack)"
    made["up"].add_argument("--state", type=Path, default=CHECKOUT / ".stack", metavar="FOLDER", help=state)
    own = "read the settings from FILE instead of local.settings.json (without one: local.settings.json.example)"
    made["up"].add_argument("--settings", type=Path, metavar="FILE", help=own)
    return parser


def _command(arguments: argparse.Namespace) -> Coroutine[object, object, None]:
    match arguments.command:
        case "up":
            host, settings = HostKind.chosen(arguments.host), AppSettings.read(arguments.settings)
            return up.run(Plan(settings=settings, folder=arguments.state.resolve(), host=host))
        case "demo":
            return demo.run(HostKind.chosen(arguments.host))
    return example.run(arguments.name, HostKind.chosen(arguments.host))


async def _until_signal(command: Coroutine[object, object, None]) -> int | None:
    """Run a command; on SIGINT, SIGTERM or SIGHUP (a closed terminal) cancel it once, so that it ends what it started.

    Return the signal that ended it, if one did.
    """
    work = asyncio.create_task(command)
    caught: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not caught:
            print(_ENDING, flush=True)
            work.cancel()
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return caught[0] if caught else None


if __name__ == "__main__":
    sys.exit(main())
