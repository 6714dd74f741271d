"""Show a task: its record, as the app's API returns it, and the beginning of what its command printed."""

import json
from typing import Final

import aiohttp

from batch_core.config.settings import Settings
from local.blob_storage import blob_storage
from local.errors import StackError
from local.records import record_of, url_of
from local.settings_file import AppSettings

#: How many bytes of an output are shown.
LONGEST: Final = 64 * 1024


async def show(task_id: str, settings: AppSettings) -> None:
    """Print the record and the first 64 KiB of each output.

    Raises `StackError` if the settings are wrong, the app does not answer or does not know the task, or an output
    cannot be read.
    """
    app_settings = settings.validated()
    async with aiohttp.ClientSession() as http:
        record = await record_of(http, task_id, settings)
    if not record:
        url = url_of(settings, task_id)
        raise StackError(f"there is no task {task_id!r}, or its record cannot be read: see {url}")
    print(printable(json.dumps(record, indent=2, ensure_ascii=False)))
    for stream in ("stdout", "stderr"):
        if name := record.get(stream):
            beginning, size = await _beginning(str(name), app_settings)
            print(f"\n{stream}, {app_settings.output_container}/{printable(str(name))}, {size} bytes")
            print(printed(beginning, size), end="\n" if size else "")
        elif record.get(f"{stream}_size") == 0:
            print(f"\n{stream} is empty")


async def _beginning(name: str, settings: Settings) -> tuple[bytes, int]:
    """Return the first bytes of an output, and its size in bytes."""
    async with blob_storage(settings, f"reading {name!r} of the container {settings.output_container!r}") as blobs:
        blob = blobs.get_blob_client(settings.output_container, name)
        size = (await blob.get_blob_properties()).size
        content: bytes = await (await blob.download_blob(offset=0, length=LONGEST)).readall() if size else b""
        return content, size


def printed(beginning: bytes, size: int) -> str:
    """Return what to print of an output of `size` bytes: its text without control characters, or why there is none.

    A terminal would obey control characters. Output with a NUL byte is not text.
    """
    if b"\0" in beginning:
        return "(not text)"
    text = printable(beginning.decode(errors="replace")).removesuffix("\n")
    return text if size <= len(beginning) else f"{text}\n(cut: {len(beginning)} of {size} bytes)"


def printable(text: str) -> str:
    r"""Return the text with control characters escaped, such as `\x1b`; line feeds and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)
