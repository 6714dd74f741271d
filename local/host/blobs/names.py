"""Names that no URL keeps: a part `.` or `..` leads elsewhere, however its dots are encoded.

Azure resolves such parts itself and so has no such blob; Azurite keeps them.
"""

from typing import Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobServiceClient

_DOTS: Final = {".": "%2E", "..": "%2E%2E"}


def has_dot_segment(name: str) -> bool:
    """Return whether a URL with this name is the URL of something else."""
    return not _DOTS.keys().isdisjoint(name.split("/"))


def without_dot_segments(name: str) -> str:
    """Return the name with each such part written `%2E` or `%2E%2E`, which every URL keeps."""
    return "/".join(_DOTS.get(part, part) for part in name.split("/"))


async def properties_of(service: BlobServiceClient, container: str, name: str) -> BlobProperties:
    """Return the properties of the blob of this very name; raise ResourceNotFoundError, AzureError."""
    if not has_dot_segment(name):
        return await service.get_blob_client(container, name).get_blob_properties()
    # The listing goes by names; the blob of this very name comes before all others that begin like it.
    blobs = service.get_container_client(container).list_blobs(name_starts_with=name, results_per_page=1)
    listed = await anext(aiter(blobs), None)
    if listed is None or listed.name != name:
        raise ResourceNotFoundError(f"there is no blob {name!r} in container {container!r}")
    return listed
