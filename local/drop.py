"""Drop files into the input container, as any tool that writes blobs would."""

from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobServiceClient

from local.errors import StackError
from local.settings_file import AppSettings


async def drop(file: Path, settings: AppSettings) -> str:
    """Upload a file under its own name and return that; a blob of this name is replaced.

    Raise StackError when the file or the container cannot be used.
    """
    container = settings.values["INPUT_CONTAINER"]
    try:
        async with BlobServiceClient.from_connection_string(settings.connection_string("DATA_STORAGE")) as storage:
            blob = storage.get_blob_client(container, file.name)
            with file.open("rb") as content:
                await blob.upload_blob(content, overwrite=True)
    except OSError as exc:
        raise StackError(f"cannot read {file}: {exc.strerror}") from exc
    except AzureError as exc:
        reason = str(exc).splitlines()[0]
        raise StackError(
            f"cannot write {file.name!r} to the container {container!r}: {reason}"
            " (is the stack up? `python -m local up`)"
        ) from exc
    return file.name
