"""The tasks that a person means: one by its id, or all attempts at a file by its exact name."""

from batch_core.app import App
from batch_core.assignment import why_ignored
from batch_core.errors import BlobNotFound, NotAFile, NotNow, RecordNotFound
from batch_core.forgotten import may_be_forgotten
from batch_core.listing import TaskQuery, attempts_at, list_tasks
from batch_core.naming import is_blob_name, is_task_id
from batch_core.state.listing import RecordFilter
from batch_core.state.record import TaskRecord

#: Pages that are read for the records of earlier versions of a file.
_MOST_PAGES = 20
_PER_PAGE = 200


async def find_tasks(app: App, name: str) -> list[TaskRecord]:
    """Return the task of this id, or all attempts at the file of this exact name as it is now, the newest first.

    Of a file that has no task as it is now, or that is gone, the records of earlier versions, as far as some pages of
    the list reach. Raises `RecordNotFound` if there is none, and the `ServiceError` that fits.
    """
    if is_task_id(name):
        try:
            return [(await app.table.get(name)).record]
        except RecordNotFound:
            pass
    if is_blob_name(name):
        records = (await attempts_at(app, name)).records or await _earlier(app, name)
        if records:
            return list(records)
    raise RecordNotFound(await _why_none(app, name))


async def _why_none(app: App, name: str) -> str:
    """Say why a file of this name has no task, or that there is no such file."""
    try:
        version = await app.inputs.version_of(name) if is_blob_name(name) else None
    except (BlobNotFound, NotAFile, NotNow):
        version = None
    if version is None:
        where = f"the container {app.settings.input_container!r}"
        return f"no task has the id {name!r}, and {where} has no file of this name: `list --prefix` finds names"
    if why := why_ignored(app, name):
        return f"file {name!r} has no task: {why}"
    why = app.settings.intake.why_left_alone(version) or "the app has not detected it yet"
    if await may_be_forgotten(app, [version]):
        why = "its record may have been removed, as RECORD_RETENTION_TIME says"
    return f"file {name!r} has no task: {why}; `submit` makes one"


async def newest_task(app: App, name: str) -> TaskRecord:
    """Return the task of this id, or the newest attempt at a file. Raises as `find_tasks` does."""
    return (await find_tasks(app, name))[0]


async def _earlier(app: App, name: str) -> list[TaskRecord]:
    query = TaskQuery(wanted=RecordFilter(prefix=name), limit=_PER_PAGE)
    found: list[TaskRecord] = []
    place = None
    for _ in range(_MOST_PAGES):
        page = await list_tasks(app, query, place)
        found += [record for record in page.records if record.blob == name]
        place = page.next
        if place is None:
            break
    return found
