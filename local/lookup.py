"""Finds records in the state table of the stack that is up: by the name of a blob, and what there was last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from batch_core.app import App, open_app
from batch_core.errors import AppError, BlobNotFound, ServiceError
from batch_core.live import live_task
from batch_core.naming import task_id
from batch_core.state.record import TaskRecord
from local.errors import StackError
from local.records import up_hint
from local.settings_file import AppSettings
from local.taken import Taken

#: How many records are listed.
MOST: Final = 50


async def newest_task(blob: str, settings: AppSettings) -> str | None:
    """Return the id of the newest attempt at the blob of this very name as it is now; None if there is no such blob.

    Raises `StackError` if the blob has no record, or a service does not answer.
    """
    async with _opened(settings) as app:
        try:
            version = await app.inputs.version_of(blob)
        except BlobNotFound:
            return None
        if attempt := await app.table.newest_attempt(version):
            return task_id(version, attempt)
    why = Taken.by(settings).why_no_task(version) or "the app has not detected it yet"
    raise StackError(f"blob {blob!r} has no record: {why}")


async def newest_records(settings: AppSettings) -> list[TaskRecord]:
    """Return up to 50 records of today and of days with open work: the open ones, then the others, the newest first.

    The reason of those that Batch has is what it says now, as in the API's answer: up to four calls for each. Raises
    `StackError` if the table does not answer.
    """
    async with _opened(settings) as app:
        days = sorted({*await app.table.days(), f"{app.now():%Y%m%d}"}, reverse=True)
        found: dict[str, TaskRecord] = {}
        for day in days:
            some = [task.task_id for task in await app.table.some_open_work(day)][: MOST - len(found)]
            records = await app.table.records_among(some)
            found |= {one: records[one].record for one in some if one in records}
        for day in days:
            if len(found) < MOST:
                found |= {one.task_id: one for one in await app.table.newest(day, MOST) if one.task_id not in found}
        return await asyncio.gather(*(_with_reason(app, one) for one in list(found.values())[:MOST]))


async def _with_reason(app: App, record: TaskRecord) -> TaskRecord:
    live = await live_task(app, record)
    shown = replace(record, reason=live.reason) if live and live.state != "unknown" else record
    # What the app is doing itself says more: stopping the task, or fetching output that is hard to get.
    return record if record.cancel_requested_at or record.output_tries else shown


@asynccontextmanager
async def _opened(settings: AppSettings) -> AsyncIterator[App]:
    app = open_app(settings.validated(), env=settings.values)
    try:
        yield app
    except AppError as exc:
        hint = f" ({up_hint(settings)})" if isinstance(exc, ServiceError) else ""
        raise StackError(f"{exc}{hint}") from exc
    finally:
        await app.clients.close()
