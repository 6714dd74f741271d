"""Make, tidy and remove what the app uses in Storage and Batch.

Settings come from the environment and, as with `func start`, from the `local.settings.json` of this folder if there is
one; the environment wins. Which accounts that leads to, and by which of the two, is said first.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from batch_core.app import App, open_app
from batch_core.cli import provision, routes
from batch_core.cli.commands import check_command
from batch_core.cli.inventory import Found, take_inventory
from batch_core.cli.origin import Origin
from batch_core.cli.progress import announcing
from batch_core.config.local_settings import LOCAL_SETTINGS
from batch_core.errors import AppError, RoutesError, SettingsError
from batch_core.sweep import sweep
from batch_core.tidy import list_all_days, tidy

#: Makes the app that a command works with, within the event loop of its clients.
type _Opening = Callable[[], App]


class _NoAnswer(Exception):
    """Nobody answers the questions: nothing is done."""


_COMMANDS: Final = {
    "setup": "make the containers, the table and the pool that are missing",
    "teardown": "count what there is, ask for each, and delete jobs, pool, containers and table",
    "tidy": "terminate jobs of past days, and delete those that were terminated long ago",
    "sweep": "submit files without a record now; with --all, files of any age",
    "routes": "check the file of routes, or show what would become of a file",
}
_ELSEWHERE: Final = dict.fromkeys(("up", "demo", "drop", "show"), "python -m local")


def main() -> int:
    """Run the command and return its exit code.

    0 done, 1 a service failed or a question was not answered, 2 wrong settings or arguments, 130 Ctrl-C.
    """
    parser = _parser()
    check_command(parser, sys.argv[1:], list(_COMMANDS), _ELSEWHERE)
    arguments = parser.parse_args()
    if arguments.command == "routes":
        _check_routes(parser, arguments)
    if arguments.command == "routes" and arguments.action == "schema":
        # It needs no settings.
        return routes.schema()
    try:
        origin = Origin.of(arguments.settings)
        print(*origin.accounts(), sep="\n", file=sys.stderr, flush=True)
        return _run(arguments, partial(open_app, origin.settings(), env=origin.values))
    except SettingsError as exc:
        print("These settings are wrong:", *exc.problems, sep="\n  ", file=sys.stderr)
        return 2
    except RoutesError as exc:
        print("These routes are wrong:", *exc.problems, sep="\n  ", file=sys.stderr)
        return 2
    except (AppError, _NoAnswer) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 130


def _check_routes(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Exit with what is wrong with arguments that do not fit the action."""
    if arguments.action == "match" and not arguments.name:
        parser.error("routes match NAME: the name of the blob is missing")
    if arguments.action == "schema" and arguments.name is not None:
        parser.error(f"routes schema takes no name and no file: {arguments.name}")
    if arguments.action != "match" and arguments.route is not None:
        parser.error(f"--route is for routes match, not for routes {arguments.action}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    made = {name: commands.add_parser(name, help=text, description=text) for name, text in _COMMANDS.items()}
    for name in ("setup", "teardown", "tidy"):
        made[name].add_argument("--dry-run", action="store_true", help="only say what would be done")
    for command in made.values():
        file = f"read the settings from FILE instead of {LOCAL_SETTINGS}; '-': from the environment alone"
        command.add_argument("--settings", default=LOCAL_SETTINGS, type=Path, metavar="FILE", help=file)
    made["teardown"].add_argument(
        "--yes", action="store_true", help="delete all of it without asking; not in a dry run"
    )
    everything = "look up every file of the container, not only those modified since the last sweep"
    made["sweep"].add_argument("--all", action="store_true", dest="is_all", help=everything)
    actions = "check the file, match a blob's name, or print the JSON Schema of the file for editors"
    name = "match: the blob's name, which need not exist; check: another file than the settings'"
    made["routes"].add_argument("action", choices=("check", "match", "schema"), help=actions)
    made["routes"].add_argument("name", nargs="?", metavar="NAME", help=name)
    made["routes"].add_argument("--route", metavar="ROUTE", help="match: the task as this route makes it")
    return parser


def _run(arguments: argparse.Namespace, opening: _Opening) -> int:
    match arguments.command:
        case "teardown":
            return _teardown(opening, is_dry_run=arguments.dry_run, is_sure=arguments.yes)
        case "tidy":
            return _with_app(opening, lambda app: _tidy(app, is_dry_run=arguments.dry_run))
        case "sweep":
            return _with_app(opening, lambda app: _sweep(app, is_all=arguments.is_all))
        case "routes":
            return _with_app(opening, lambda app: _routes(app, arguments.action, arguments.name, arguments.route))
    return _with_app(opening, _would_set_up if arguments.dry_run else _setup)


async def _routes(app: App, action: str, name: str | None, route: str | None) -> int:
    return routes.check(app, name) if action == "check" else await routes.match(app, name or "", route)


async def _sweep(app: App, *, is_all: bool) -> int:
    async with announcing("listing the input container"):
        report = await sweep(app, is_all=is_all)
    print(f"{report.listed} files listed, {report.looked_up} looked up, {report.submitted} submitted")
    if not report.is_complete:
        print("not all of the container was swept: the next tick, or the same command again, goes on", file=sys.stderr)
    return 0


def _with_app[T](opening: _Opening, work: Callable[[App], Awaitable[T]]) -> T:
    async def run() -> T:
        app = opening()
        try:
            return await work(app)
        finally:
            await app.clients.close()

    return asyncio.run(run())


async def _setup(app: App) -> int:
    await _say_notes(app)
    for resource in provision.resources(app):
        async with announcing(f"creating {resource.description}"):
            is_new = await provision.make(resource)
        print(f"{resource.description}: {'created' if is_new else 'is there'}", flush=True)
    await list_all_days(app)
    for day in await app.table.unnoted_days():
        await app.table.note_day(day)
        print(f"day {day}: has open tasks and was not noted; it is noted again", flush=True)
    return 0


async def _say_notes(app: App) -> None:
    """Say what there is to say of pools: their images, and what was changed since they were made."""
    for note in await provision.pool_notes(app):
        print(note, file=sys.stderr, flush=True)


async def _would_set_up(app: App) -> int:
    await _say_notes(app)
    there = {found.resource.description for found in await _inventory(app)}
    for resource in provision.resources(app):
        is_there = resource.description in there
        print(f"{resource.description}: {'is there' if is_there else 'would be created'}")
    return 0


def _teardown(opening: _Opening, *, is_dry_run: bool, is_sure: bool) -> int:
    """Say what exists and where, ask, and only then remove: an interruption before that loses nothing."""
    found = _with_app(opening, _list_what_exists)
    if is_dry_run or not found:
        return 0
    if not is_sure and not sys.stdin.isatty():
        print(
            "Nothing was deleted: teardown asks before it deletes, and there is no terminal to answer at."
            " Say --yes to delete all of it, or --dry-run to see it only.",
            file=sys.stderr,
        )
        return 2
    wanted = found if is_sure else [one for one in found if _is_wanted(f"Delete {one}?")]
    return _with_app(opening, lambda app: _remove(app, wanted))


async def _list_what_exists(app: App) -> list[Found]:
    found = await _inventory(app)
    lines = (
        ["This is there to be deleted:", *(f"  {one}" for one in found)] if found else ["There is nothing to delete."]
    )
    print(*lines, sep="\n", flush=True)
    for pool_id in await provision.foreign_pools(app):
        print(f"Pool {pool_id} is left alone: setup has not made it.", flush=True)
    if open_tasks := sum(one.open_tasks for one in found):
        print(f"\n{open_tasks} of the tasks still run, or their output is not collected: it would be lost.", flush=True)
    return found


async def _inventory(app: App) -> list[Found]:
    async with announcing("looking at what is there"):
        return await take_inventory(app)


async def _remove(app: App, wanted: Sequence[Found]) -> int:
    names = {one.resource.description for one in wanted}
    # Of this event loop's clients: those that looked are closed.
    jobs = (await provision.find_jobs(app)).values()
    input_container, output_container, table, *pools = await provision.find_resources(app)
    for resource in [*jobs, *pools, input_container, output_container, table]:
        if resource.description in names:
            async with announcing(f"deleting {resource.description}"):
                was_there = await provision.remove(resource)
            print(f"{resource.description}: {'deleted' if was_there else 'was not there'}", flush=True)
    if not wanted:
        print("Nothing was deleted.")
    return 0


async def _tidy(app: App, *, is_dry_run: bool) -> int:
    async with announcing("looking at jobs of past days"):
        report = await tidy(app, is_dry_run=is_dry_run)
    would = "would be " if is_dry_run else ""
    for job_id in report.terminated:
        print(f"job {job_id}: {would}terminated")
    for job_id in report.deleted:
        print(f"job {job_id}: {would}deleted")
    if not report.is_complete:
        print("not all of it was possible: run it again", file=sys.stderr)
    elif not report.terminated + report.deleted:
        print("nothing to tidy")
    return 0


def _is_wanted(question: str) -> bool:
    """Ask the operator; only a written yes counts. Raises `_NoAnswer` when the terminal is closed (Ctrl-D)."""
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError as exc:
        raise _NoAnswer("\nNothing was deleted: there was no answer.") from exc
    return answer.strip().lower() in {"y", "yes"}
