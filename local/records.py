"""Task records, as the app's HTTP API returns them."""

from urllib.parse import quote

import aiohttp

from local.errors import StackError
from local.ports import ADDRESS
from local.settings_file import AppSettings

#: The JSON object of a record; empty where the app does not know the task.
type Record = dict[str, object]


def url_of(settings: AppSettings, task_id: str) -> str:
    """Return the URL of a task's record."""
    return f"http://{ADDRESS}:{settings.host_port}/api/tasks/{quote(task_id, safe='')}"


async def record_of(http: aiohttp.ClientSession, task_id: str, settings: AppSettings) -> Record:
    """Return the record of a task; an empty one while the app does not know it or cannot read it.

    Raises `StackError` if the app does not answer, or not with JSON.
    """
    url = url_of(settings, task_id)
    try:
        async with http.get(url) as response:
            record: Record = await response.json() if response.ok else {}
            return record
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise StackError(f"{url} does not answer") from exc


def is_closed(record: Record) -> bool:
    """Return whether a record is final: its state will not change any more."""
    return bool(record.get("closed_at"))
