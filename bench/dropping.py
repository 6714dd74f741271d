"""Files of a few bytes, dropped into the input container; and which outputs have arrived."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from azure.storage.blob.aio import ContainerClient

#: Uploads at the same time.
AT_ONCE: Final = 16


def names(files: int) -> list[str]:
    return [f"{number:06}.txt" for number in range(files)]


def content(name: str) -> bytes:
    return f"file {name}\n".encode()


async def drop(container: ContainerClient, wanted: Sequence[str]) -> dict[str, datetime]:
    """Upload files, the first of the list first; return when each had arrived."""
    dropped: dict[str, datetime] = {}
    todo = iter(wanted)

    async def some() -> None:
        for name in todo:
            await container.upload_blob(name, content(name), overwrite=True)
            dropped[name] = datetime.now(UTC)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return dropped


async def arrived(outputs: ContainerClient, prefix: str = "") -> list[str]:
    """List the blobs that hold a standard output. An empty standard error has no blob where the app copies."""
    listed = outputs.list_blob_names(name_starts_with=prefix or None)
    return [name async for name in listed if name.endswith("/stdout.txt")]
