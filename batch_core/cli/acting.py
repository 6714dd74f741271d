"""`batchdrop submit`, `cancel` and `retry`: what a person does about a file or a task."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from batch_core.cancel import cancel as cancel_task
from batch_core.cli.escaping import in_line
from batch_core.cli.filters import ALL, Filters
from batch_core.cli.person import person
from batch_core.cli.same_routes import OwnRoutes, require_same_routes
from batch_core.cli.selecting import CAREFUL, Care, select
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.cli.usage import UsageError
from batch_core.errors import AppError
from batch_core.intake import take_by_hand
from batch_core.retry import retry as retry_task
from batch_core.state.record import TaskRecord, TaskState
from batch_core.state.selections import Action
from batch_core.submission import Submission

type _Blob = Annotated[str, Parameter(help="The name of a file in the input container.", name="NAME")]
type _TaskIds = Annotated[
    list[str] | None,
    Parameter(help="The ids of tasks; or filters, without any.", name="TASK_ID...", negative="", json_list=False),
]
type _Route = Annotated[str | None, Parameter(help="The route that takes it, whatever it is called.", metavar="NAME")]
type _Force = Annotated[
    bool, Parameter(negative="", help="Make a new attempt, whatever became of earlier ones.", show_default=False)
]


def submit(
    name: _Blob,
    /,
    *,
    route: _Route = None,
    force: _Force = False,
    own_routes: OwnRoutes = False,
    options: Options = DEFAULTS,
) -> int:
    """Submit a file of the input container by hand, and print its task's id.

    A file that has a task already keeps it, unless --force makes a new attempt. The task is made by the routes of here,
    which must be the app's.

    For example:
        batchdrop submit letters/recipe.txt
        batchdrop submit recipe.txt --route letters --force

    """
    return run(options, partial(_submit, name=name, route=route, is_forced=force, is_own_meant=own_routes))


def cancel(
    task_ids: _TaskIds = None,
    /,
    *,
    filters: Filters = ALL,
    care: Care = CAREFUL,
    options: Options = DEFAULTS,
) -> int:
    """Stop tasks; what they printed until then is kept.

    Without ids, all tasks that match the filters are meant; of these, --state is needed: queued, submitted or both.
    They are counted first, and nothing is done without a yes.

    For example:
        batchdrop cancel 20261127T082020-recipe-txt-42fb6f2cf3b1d15d
        batchdrop cancel --state queued,submitted --prefix letters/ --dry-run

    """
    if ids := _ids(task_ids, filters, care):
        return run(options, partial(_each, task_ids=ids, act=_cancel))
    return select(Action.CANCEL, filters, care, options)


def retry(
    task_ids: _TaskIds = None,
    /,
    *,
    filters: Filters = ALL,
    care: Care = CAREFUL,
    own_routes: OwnRoutes = False,
    options: Options = DEFAULTS,
) -> int:
    """Retry tasks that have ended, and print the ids of the new attempts.

    Without ids, all tasks that match the filters are meant; of these, --state is needed, such as failed. They are
    counted first, and nothing is done without a yes. Retrying a task twice makes one attempt. Attempts are
    made by the routes of here, which must be the app's.

    For example:
        batchdrop retry 20261127T082020-recipe-txt-42fb6f2cf3b1d15d
        batchdrop retry --state failed,output_lost --day 2026-11-30

    """
    if ids := _ids(task_ids, filters, care):
        return run(options, partial(_retry_each, task_ids=ids, is_own_meant=own_routes))
    return select(Action.RETRY, filters, care, options, is_own_meant=own_routes)


def _ids(task_ids: Sequence[str] | None, filters: Filters, care: Care) -> Sequence[str]:
    """Return the ids of the tasks that are meant one by one; raises `UsageError` where it is not clear which are."""
    if task_ids and (filters.are_given or care != CAREFUL):
        raise UsageError("tasks are meant by their ids or by filters: --state and the others go without ids")
    if not task_ids and not filters.are_given:
        raise UsageError("say which tasks: their ids, or --state and other filters, such as --state failed")
    return task_ids or ()


async def _submit(session: Session, name: str, route: str | None, *, is_forced: bool, is_own_meant: bool) -> int:
    await require_same_routes(session.app, is_own_meant=is_own_meant)
    submission = await take_by_hand(session.app, name, is_forced=is_forced, route=route, asked_by=person())
    return _report(session, submission)


def _report(session: Session, submission: Submission) -> int:
    record, terminal = submission.record, session.terminal
    if terminal.is_json:
        about = {name: getattr(record, name) for name in ("task_id", "blob", "state", "reason", "route", "attempt")}
        terminal.document({**about, "is_new": submission.is_new})
    else:
        terminal.line(record.task_id)
        verb = "is" if submission.is_new else "already has a task:"
        terminal.say(f"{in_line(record.blob)} {verb} {record.state}" + _why(record))
    return 1 if record.state is TaskState.REJECTED else 0


def _why(record: TaskRecord) -> str:
    return f": {in_line(record.reason)}" if record.reason else ""


type _Act = Callable[[Session, str], Awaitable[int]]


async def _each(session: Session, task_ids: Sequence[str], act: _Act) -> int:
    """Do it to each task; one that it cannot be done to does not keep it from the others."""
    codes: list[int] = []
    for task_id in task_ids:
        try:
            codes.append(await act(session, task_id))
        except AppError as exc:
            codes.append(1)
            session.terminal.say(str(exc))
            if session.terminal.is_json:
                session.terminal.document({"task_id": task_id, "error": str(exc)})
    return max(codes)


async def _cancel(session: Session, task_id: str) -> int:
    record = await cancel_task(session.app, task_id, person())
    if session.terminal.is_json:
        document: Mapping[str, object] = asdict(record)
        session.terminal.document(document)
    else:
        session.terminal.line(f"{record.task_id} {record.state}{_why(record)}")
    return 0


async def _retry_each(session: Session, task_ids: Sequence[str], *, is_own_meant: bool) -> int:
    await require_same_routes(session.app, is_own_meant=is_own_meant)
    return await _each(session, task_ids, _retry)


async def _retry(session: Session, task_id: str) -> int:
    return _report(session, await retry_task(session.app, task_id, person()))
