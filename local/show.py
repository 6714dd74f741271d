"""Show a task: its record, as the app's API tells it, and the beginning of what its command printed."""

import json
from typing import Final

import aiohttp
from azure.core.exceptions import AzureError

from batch_core.config.settings import Settings
from batch_core.errors import AppError, translating
from batch_core.services.clients import open_clients
from local.drop import record_of, require_settings, url_of
from local.errors import StackError
from local.settings_file import AppSettings

#: Bytes of an output that are shown.
LONGEST: Final = 64 * 1024


async def show(task_id: str, settings: AppSettings) -> None:
    """Print the record and the first 64 KiB of each output; raise StackError for an unknown task."""
    app_settings = require_settings(settings)
    url = url_of(settings, task_id)
    async with aiohttp.ClientSession() as http:
        record = await record_of(http, url, settings)
    if not record:
        raise StackError(f"there is no task {task_id!r}, or it cannot be read: {url} says more")
    print(printable(json.dumps(record, indent=2, ensure_ascii=False)))
    for stream in ("stdout", "stderr"):
        if name := record.get(stream):
            beginning, size = await _beginning(str(name), app_settings)
            print(f"\n{stream}, {app_settings.output_container}/{printable(str(name))}, {size} bytes")
            print(printed(beginning, size), end="\n" if size else "")


async def _beginning(name: str, settings: Settings) -> tuple[bytes, int]:
    """Return the first bytes of an output and the size of the whole."""
    clients = open_clients(settings)
    try:
        with translating(f"reading {name!r} of the container {settings.output_container!r}"):
            blob = clients.blobs.get_blob_client(settings.output_container, name)
            size = (await blob.get_blob_properties()).size
            content: bytes = await (await blob.download_blob(offset=0, length=LONGEST)).readall() if size else b""
            return content, size
    except (AppError, AzureError) as exc:
        raise StackError(str(exc)) from exc
    finally:
        await clients.close()


def printed(beginning: bytes, size: int) -> str:
    """Return an output for a terminal, which takes control characters as orders; one that is no text is only named."""
    if b"\0" in beginning:
        return "(not text)"
    text = printable(beginning.decode(errors="replace")).removesuffix("\n")
    return text if size <= len(beginning) else f"{text}\n(cut: {len(beginning)} of {size} bytes)"


def printable(text: str) -> str:
    r"""Return the text with every control character but line ends and tabs as `\x1b` and the like."""
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)
