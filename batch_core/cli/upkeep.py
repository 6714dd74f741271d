"""Make, tidy and remove what the app uses in Storage and Batch; sweep now."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from batch_core.app import App
from batch_core.cli import provision
from batch_core.cli.counting import counted
from batch_core.cli.escaping import in_line
from batch_core.cli.inventory import Found, take_inventory
from batch_core.cli.progress import announcing
from batch_core.cli.questions import can_be_asked, is_wanted
from batch_core.cli.same_routes import OwnRoutes, require_same_routes
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.terminal import Terminal
from batch_core.naming import task_id
from batch_core.sweep import missing_files
from batch_core.sweep import sweep as sweep_files
from batch_core.tidy import list_all_days
from batch_core.tidy import tidy as tidy_jobs

type _DryRun = Annotated[bool, Parameter(negative="", help="Only say what would be done.", show_default=False)]


def setup(*, dry_run: _DryRun = False, options: Options = DEFAULTS) -> int:
    """Create the containers, the table, the queue of events and the pools that are missing.

    For example:
        batchdrop setup --dry-run

    """
    return run(options, _would_set_up if dry_run else set_up, says_accounts=True)


_YES = "Delete all of it without asking; not in a dry run."


def teardown(
    *,
    dry_run: _DryRun = False,
    yes: Annotated[bool, Parameter(negative="", help=_YES, show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """Count what exists, ask about each, and delete jobs, pools, containers, queue and table.

    For example:
        batchdrop teardown --dry-run

    """
    terminal = Terminal(is_json=options.json)
    # Said first and asked before anything is removed: an interruption before that loses nothing.
    found = run(options, _list_what_exists, terminal, says_accounts=True)
    if dry_run or not found:
        return 0
    if not yes and not can_be_asked():
        terminal.say(
            "Nothing was deleted: teardown asks before it deletes, and there is no terminal to answer at."
            " Say --yes to delete all of it, or --dry-run to see it only."
        )
        return 2
    wanted = found if yes else [one for one in found if is_wanted(f"Delete {one}?", "Nothing was deleted")]
    return run(options, partial(_remove, wanted=wanted), terminal)


def tidy(*, dry_run: _DryRun = False, options: Options = DEFAULTS) -> int:
    """Terminate jobs of past days, delete those that were terminated long ago, and forget what the settings say.

    For example:
        batchdrop tidy --dry-run

    """
    return run(options, partial(_tidy, is_dry_run=dry_run), says_accounts=True)


_ALL = "Look up every file of the container, not only those modified since the last sweep."


def sweep(
    *,
    dry_run: _DryRun = False,
    is_all: Annotated[bool, Parameter(name="--all", negative="", help=_ALL, show_default=False)] = False,
    own_routes: OwnRoutes = False,
    options: Options = DEFAULTS,
) -> int:
    """Submit files without a record now; with --all, files of any age.

    With --dry-run their names are printed, and nothing is submitted. Tasks are made by the routes of here, which must
    be the app's.

    For example:
        batchdrop sweep --all --dry-run

    """
    sweeping = partial(_would_sweep if dry_run else partial(_sweep, is_own_meant=own_routes), is_all=is_all)
    return run(options, sweeping, says_accounts=True)


def _report(terminal: Terminal, resource: str, outcome: str, words: str | None = None) -> None:
    """Print what became of a resource: the outcome in JSON, the words for people."""
    if terminal.is_json:
        terminal.document({"resource": resource, "outcome": outcome})
    else:
        terminal.line(f"{resource}: {words or outcome}")


async def set_up(session: Session) -> int:
    """Make what is missing, and list days again that the table has lost. Raises `AppError`."""
    app, terminal = session.app, session.terminal
    await _say_notes(session)
    for resource in provision.resources(app):
        async with announcing(f"creating {resource.description}"):
            is_new = await provision.make(resource)
        _report(terminal, resource.description, *("created" if is_new else "exists",))
    await list_all_days(app)
    for day in await app.table.unnoted_days():
        await app.table.note_day(day)
        _report(terminal, f"day {day}", "noted", "has open tasks or unsent events and was not noted; it is noted again")
    return 0


async def _say_notes(session: Session) -> None:
    """Say what there is to say of pools: their images, and what was changed since they were made."""
    for note in await provision.pool_notes(session.app):
        session.terminal.say(note)


async def _would_set_up(session: Session) -> int:
    await _say_notes(session)
    there = {found.resource.description for found in await _inventory(session.app)}
    for resource in provision.resources(session.app):
        is_there = resource.description in there
        outcome = ("exists",) if is_there else ("missing", "would be created")
        _report(session.terminal, resource.description, *outcome)
    return 0


async def _list_what_exists(session: Session) -> list[Found]:
    found = await _inventory(session.app)
    if session.terminal.is_json:
        for one in found:
            counted = {"contents": one.contents, "open_tasks": one.open_tasks}
            session.terminal.document({"resource": one.resource.description, "outcome": "exists", **counted})
        return found
    for line in ["This can be deleted:", *(f"  {one}" for one in found)] if found else [_NOTHING]:
        session.terminal.line(line)
    for pool_id in await provision.foreign_pools(session.app):
        session.terminal.line(f"Pool {pool_id} is left alone: setup has not made it.")
    if open_tasks := sum(one.open_tasks for one in found):
        session.terminal.line(
            f"\n{open_tasks} of the tasks still run, or their output is not collected: it would be lost."
        )
    return found


_NOTHING = "There is nothing to delete."


async def _inventory(app: App) -> list[Found]:
    async with announcing("looking at what exists"):
        return await take_inventory(app)


async def _remove(session: Session, wanted: Sequence[Found]) -> int:
    app = session.app
    names = {one.resource.description for one in wanted}
    # Of this event loop's clients: those that looked are closed.
    jobs = (await provision.find_jobs(app)).values()
    kept, pools = provision.storage(app), await provision.find_pools(app)
    for resource in [*jobs, *pools, kept.input_container, kept.output_container, kept.queue, kept.table]:
        if resource is not None and resource.description in names:
            async with announcing(f"deleting {resource.description}"):
                was_there = await provision.remove(resource)
            _report(
                session.terminal, resource.description, *(("deleted",) if was_there else ("missing", "did not exist"))
            )
    if not wanted and not session.terminal.is_json:
        session.terminal.line("Nothing was deleted.")
    return 0


async def _tidy(session: Session, *, is_dry_run: bool) -> int:
    terminal = session.terminal
    async with announcing("looking at jobs of past days"):
        report = await tidy_jobs(session.app, is_dry_run=is_dry_run)
    would = "would be " if is_dry_run else ""
    for outcome, jobs in (("terminated", report.terminated), ("deleted", report.deleted)):
        for job_id in jobs:
            _report(terminal, f"job {job_id}", f"{would}{outcome}")
    for what, days in (("outputs", report.outputs_of), ("records", report.records_of)):
        for day in days:
            _report(terminal, f"{what} of {day}", f"{would}removed")
    done = [*report.terminated, *report.deleted, *report.outputs_of, *report.records_of]
    if not report.is_complete:
        terminal.say("not all of it was possible: run it again")
    elif not done and not terminal.is_json:
        terminal.line("nothing to tidy")
    return 0


async def _would_sweep(session: Session, *, is_all: bool) -> int:
    terminal, number = session.terminal, 0
    async with announcing("listing the input container"):
        async for versions in missing_files(session.app, is_all=is_all):
            number += len(versions)
            for version in versions:
                if terminal.is_json:
                    terminal.document({"blob": version.name, "task_id": task_id(version)})
                else:
                    terminal.line(in_line(version.name))
    terminal.say(f"{counted(number, 'file')} would be submitted")
    return 0


async def _sweep(session: Session, *, is_all: bool, is_own_meant: bool) -> int:
    terminal = session.terminal
    await require_same_routes(session.app, is_own_meant=is_own_meant)
    async with announcing("listing the input container"):
        report = await sweep_files(session.app, is_all=is_all)
    if terminal.is_json:
        terminal.document(
            {
                "listed": report.listed,
                "looked_up": report.looked_up,
                "submitted": report.submitted,
                "forgotten": report.forgotten,
                "is_complete": report.is_complete,
            }
        )
    else:
        terminal.line(f"{report.listed} files listed, {report.looked_up} looked up, {report.submitted} submitted")
    if report.forgotten:
        terminal.say(
            f"{report.forgotten} file(s) without a record are left alone: their records may have been removed, as"
            " RECORD_RETENTION_TIME says; `batchdrop submit` takes them"
        )
    if not report.is_complete:
        terminal.say("not all of the container was swept: the next tick, or the same command again, goes on")
    return 0
