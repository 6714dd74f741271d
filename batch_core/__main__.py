"""Command line: `setup` makes what is missing, `teardown` removes it all, `tidy` closes and deletes old jobs.

Settings come from the environment and, as with `func start`, from the `local.settings.json` of this folder if there is
one; the environment wins. Which accounts that leads to, and by which of the two, is said first.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from batch_core import provision
from batch_core.app import App, open_app
from batch_core.errors import AppError, SettingsError
from batch_core.local_settings import LOCAL_SETTINGS
from batch_core.origin import Origin
from batch_core.settings import Settings
from batch_core.tidy import tidy


def main() -> int:
    """Run the command; 0 done, 1 a service failed, 2 wrong settings or arguments."""
    arguments = _parser().parse_args()
    try:
        origin = Origin.of(arguments.settings)
        settings = Settings.from_env(origin.values)
        print(*origin.accounts(settings), sep="\n", file=sys.stderr, flush=True)
        asyncio.run(_run(arguments, settings))
    except SettingsError as exc:
        print("These settings are wrong:", *exc.problems, sep="\n  ", file=sys.stderr)
        return 2
    except AppError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m batch_core", description=__doc__)
    parser.add_argument("command", choices=["setup", "teardown", "tidy"])
    parser.add_argument("--dry-run", action="store_true", help="tidy: only tell what would be done")
    parser.add_argument("--yes", action="store_true", help="teardown: remove everything without asking")
    file = f"instead of {LOCAL_SETTINGS}; '-' for the environment alone"
    parser.add_argument("--settings", default=LOCAL_SETTINGS, type=Path, metavar="FILE", help=file)
    return parser


async def _run(arguments: argparse.Namespace, settings: Settings) -> None:
    app = open_app(settings)
    try:
        match arguments.command:
            case "setup":
                await _setup(app)
            case "teardown":
                await _teardown(app, is_sure=arguments.yes)
            case "tidy":
                await _tidy(app, is_dry_run=arguments.dry_run)
    finally:
        await app.clients.close()


async def _setup(app: App) -> None:
    for resource in provision.resources(app):
        is_new = await provision.make(resource)
        print(f"{resource.description}: {'created' if is_new else 'is there'}", flush=True)
    for day in await app.table.unnoted_days():
        await app.table.note_day(day)
        print(f"day {day}: has open tasks and was not noted; it is noted again", flush=True)


async def _teardown(app: App, *, is_sure: bool) -> None:
    # Jobs before the pool that they run on, the table last: it knows what there was.
    containers_and_table = provision.resources(app)
    pool = containers_and_table.pop()
    for resource in [*await provision.find_jobs(app), pool, *containers_and_table]:
        if is_sure or await _is_wanted(f"Delete {resource.description}?"):
            was_there = await provision.remove(resource)
            print(f"{resource.description}: {'deleted' if was_there else 'was not there'}", flush=True)


async def _tidy(app: App, *, is_dry_run: bool) -> None:
    report = await tidy(app, is_dry_run=is_dry_run)
    would = "would be " if is_dry_run else ""
    for job_id in report.closed:
        print(f"job {job_id}: {would}closed")
    for job_id in report.deleted:
        print(f"job {job_id}: {would}deleted")
    if not report.is_complete:
        print("not all of it was possible: run it again", file=sys.stderr)
    elif not report.closed + report.deleted:
        print("nothing to tidy")


async def _is_wanted(question: str) -> bool:
    answer = await asyncio.to_thread(input, f"{question} [Y/n] ")
    return answer.strip().lower() in {"", "y", "yes"}


if __name__ == "__main__":
    raise SystemExit(main())
