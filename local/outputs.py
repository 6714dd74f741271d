"""What a task left in the output container: listed, and saved as files of a folder of this machine.

Names come from blobs, which others may have written: none leads out of the folder.
"""

from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob.aio import ContainerClient

from batch_core.cli.saving import saved_as
from batch_core.naming import FILES_FOLDER, STDERR, STDOUT
from batch_core.services.input_container import is_folder_marker
from local.records import Record


@dataclass(frozen=True, kw_only=True)
class Output:
    """A blob, and the name of the file that it is saved as: `files/a.csv`, say. The size is in bytes."""

    #: Empty: there is no blob, because the output is empty.
    blob: str
    name: str
    size: int


async def printed_of(record: Record, container: ContainerClient) -> list[Output]:
    """Return what the command printed: standard output and standard error, as far as they have arrived."""
    found: list[Output] = []
    for stream, name in (("stdout", STDOUT), ("stderr", STDERR)):
        if blob := record.get(stream):
            properties = await container.get_blob_client(str(blob)).get_blob_properties()
            found.append(Output(blob=str(blob), name=name, size=properties.size))
        elif record.get(f"{stream}_size") == 0:
            found.append(Output(blob="", name=name, size=0))
    return found


async def files_of(record: Record, container: ContainerClient) -> list[Output]:
    """Return the files that the node uploaded for the route's `outputs`: one call for each 5,000."""
    folder = str(record.get("files") or "")
    if not folder:
        return []
    listed = container.list_blobs(name_starts_with=folder, include=["metadata"])
    return [
        Output(blob=blob.name, name=f"{FILES_FOLDER}/{blob.name.removeprefix(folder)}", size=blob.size)
        async for blob in listed
        # Accounts with a hierarchical namespace list folders, too.
        if not is_folder_marker(blob)
    ]


async def save(output: Output, container: ContainerClient, folder: Path) -> str | None:
    """Write a blob below the folder, over a file of this name; return why it cannot be written, None if it was.

    Whole or not at all, in pieces of some megabytes. Raises the SDK's errors if the blob cannot be read.
    """
    try:
        with saved_as(folder, output.name) as file:
            if output.size:
                async for chunk in (await container.download_blob(output.blob)).chunks():
                    file.write(chunk)
    except OSError as exc:
        return exc.strerror or str(exc)
    except ValueError as exc:
        return str(exc)
    return None
