"""The command line of the local stack.

python -m local up      the stack on its usual ports, state kept in .stack, until Ctrl-C
python -m local demo    three files through a throwaway stack
python -m local drop    put files into the input container of the stack that is up
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

from local import demo, drop, up
from local.errors import StackError
from local.functions_host import HostKind
from local.settings_file import CHECKOUT, AppSettings
from local.stack import Plan

_ENDING = "\nEnding..."


def main() -> int:
    """Run one command; return 0, 1 with a message on standard error, or 130 after Ctrl-C."""
    arguments = _parser().parse_args()
    try:
        caught = asyncio.run(_until_signal(_command(arguments)))
    except StackError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    # To end the stack is how `up` is meant to end; a demo that was ended has shown nothing.
    return 128 + caught if caught and arguments.command != "up" else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up | demo | drop")
    starting = [commands.add_parser("up"), commands.add_parser("demo")]
    for command in starting:
        command.add_argument(
            "--host",
            choices=["func", "embedded", "auto"],
            default="auto",
            help="which Functions host: Microsoft's, the embedded one, func if it is there (auto)",
        )
    state = "where state and logs are kept (.stack)"
    starting[0].add_argument("--state", type=Path, default=CHECKOUT / ".stack", help=state)
    dropping = commands.add_parser("drop")
    dropping.add_argument("files", nargs="+", type=Path, help="files, and folders with all that is in them")
    dropping.add_argument("--wait", action="store_true", help="wait for their tasks; exit code 1 unless all succeed")
    for command in (starting[0], dropping):
        command.add_argument("--settings", type=Path, help="instead of local.settings.json")
    return parser


def _command(arguments: argparse.Namespace) -> Coroutine[object, object, None]:
    match arguments.command:
        case "up":
            host, settings = HostKind.chosen(arguments.host), AppSettings.read(arguments.settings)
            return up.run(Plan(settings=settings, folder=arguments.state.resolve(), host=host))
        case "demo":
            return demo.run(HostKind.chosen(arguments.host))
    return _drop_all(arguments.files, AppSettings.read(arguments.settings), is_awaited=arguments.wait)


async def _drop_all(files: list[Path], settings: AppSettings, *, is_awaited: bool) -> None:
    if not await drop.drop_all(files, settings, is_awaited=is_awaited):
        raise StackError("not every file was processed: their records say why")


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
