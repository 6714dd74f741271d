"""Tasks of files that were dropped, followed to their ends."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from batch_core.app import App
from batch_core.cli.escaping import in_line
from batch_core.cli.printing import POLL_SECONDS, Reading, say_end
from batch_core.cli.session import Session
from batch_core.cli.terminal import Waiting
from batch_core.errors import OutputNotFound, Unavailable
from batch_core.http.replies import record_reply
from batch_core.live import live_task
from batch_core.output_reading import Stream
from batch_core.state.record import TaskRecord

#: A file that has no record for so long, in seconds, may have been dropped where no app runs.
_LONG: Final = 30.0


async def await_all(session: Session, names: Mapping[str, str]) -> int:
    """Wait until tasks, given with the names of their files, have ended; print what each of them printed.

    Returns 0 if all succeeded, else 1. A service that is out of reach for now is waited for; raises the `ServiceError`
    that fits.
    """
    running, codes = dict(names), [0]
    began = time.monotonic()
    while running:
        with session.terminal.waiting() as waiting:
            ended = await _some_ended(session.app, running, waiting, f"{len(codes) - 1} of {len(names)} ended", began)
        for record in ended:
            del running[record.task_id]
            codes.append(await _print_end(session, record, is_headed=len(names) > 1))
    return max(codes)


async def _some_ended(
    app: App, running: Mapping[str, str], waiting: Waiting, figures: str, began: float
) -> list[TaskRecord]:
    """Return the records of those that have ended, when some have."""
    while True:
        try:
            records = await _records(app, running)
        except Unavailable as exc:
            waiting.show(f"{exc}; waiting...")
        else:
            if ended := [record for record in records.values() if record.state.is_final]:
                return ended
            task_id, name = next(iter(running.items()))
            waiting.show(f"{figures}; {in_line(name)}: {await _latest(app, records.get(task_id), began)}")
        await asyncio.sleep(POLL_SECONDS)


async def _records(app: App, task_ids: Iterable[str]) -> dict[str, TaskRecord]:
    return {task_id: stored.record for task_id, stored in (await app.table.records_among(task_ids)).items()}


async def _latest(app: App, record: TaskRecord | None, began: float) -> str:
    if record is None:
        hint = ": does the app run? It sees files, this command does not" if time.monotonic() - began > _LONG else ""
        return f"not detected yet{hint}"
    live = await live_task(app, record)
    return in_line(live.reason if live and not record.cancel_requested_at else record.reason or record.state)


async def _print_end(session: Session, record: TaskRecord, *, is_headed: bool) -> int:
    terminal = session.terminal
    if terminal.is_json:
        terminal.document(record_reply(record).document)
        return await say_end(session, record)
    if is_headed:
        terminal.line(f"==> {in_line(record.blob)} <==")
    # A task that never ran has printed nothing: its record says why.
    with suppress(OutputNotFound):
        await Reading(session=session, task_id=record.task_id, stream=Stream.STDOUT).print_all()
    if record.stderr_end:
        terminal.say(record.stderr_end.removesuffix("\n"))
    return await say_end(session, record)
