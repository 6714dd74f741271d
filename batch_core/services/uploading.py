"""Files of this machine, written into the input container by a person. No function of the app does it."""

from collections.abc import Awaitable, Callable
from typing import BinaryIO

from azure.storage.blob.aio import BlobServiceClient

from batch_core.naming import BlobVersion
from batch_core.sdk.translation import translating
from batch_core.services.blob_access import blob_client

#: Is given how many bytes of how many have been sent; of how many is None where that is not known.
type Progressing = Callable[[int, int | None], Awaitable[None]]


async def upload(
    client: BlobServiceClient, container: str, name: str, content: BinaryIO, note: Progressing | None = None
) -> BlobVersion:
    """Write a blob in blocks of some megabytes, over an older one, and return its new version.

    Raises `Refused` for a name whose URL would lead elsewhere, the `ServiceError` that fits, and the `OSError` of the
    content.
    """
    blob = blob_client(client, container, name)
    with translating(f"writing {name!r} to the container {container!r}"):
        written = await blob.upload_blob(content, overwrite=True, progress_hook=note)
        return BlobVersion(
            container=container,
            name=name,
            etag=written["etag"].strip('"'),
            last_modified=written["last_modified"],
            size=content.tell(),
        )
