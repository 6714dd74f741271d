"""`batchdrop show`: a task's record, and what Batch says of the task now."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from batch_core.cli.escaping import in_line
from batch_core.cli.finding import find_tasks
from batch_core.cli.session import DEFAULTS, Options, Session, run
from batch_core.http.replies import record_reply
from batch_core.live import live_task

#: A task: by its id, or by the exact name of its file.
TASK = "The id of a task, or the exact name of a file; put -- before a name that begins with a hyphen."
type TaskName = Annotated[str, Parameter(help=TASK, name="TASK_ID|NAME")]


def show(task: TaskName, /, *, options: Options = DEFAULTS) -> int:
    """Show a task's record and what Batch says of it; of a file, all attempts.

    For example:
        batchdrop show recipe.txt
        batchdrop show 20261127T082020-recipe-txt-42fb6f2cf3b1d15d

    """
    return run(options, partial(_show, name=task))


async def _show(session: Session, name: str) -> int:
    for number, record in enumerate(await find_tasks(session.app, name)):
        document = record_reply(record, live=await live_task(session.app, record)).document
        if session.terminal.is_json:
            session.terminal.document(document)
            continue
        for line in [*([""] if number else []), *lines_of(document)]:
            session.terminal.line(line)
    return 0


def lines_of(record: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return a record as lines, a field each; what is empty is left out."""
    lines: list[str] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}", *lines_of(value, indent + "  ")]
        elif name == "stderr_end" and value:
            lines += [f"{indent}{name}", *(f"{indent}  {in_line(line)}" for line in str(value).splitlines())]
        elif value is not None and value is not False and value != "":
            lines.append(f"{indent}{name:<{22 - len(indent)}}{_value(value)}")
    return lines


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "yes" if value is True else in_line(str(value))
