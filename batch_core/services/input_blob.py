"""What a blob of the input container is to the app: a version that can be submitted, or why it is none."""

from dataclasses import dataclass

from azure.storage.blob import BlobProperties

from batch_core.naming import BlobVersion, has_dot_segment
from batch_core.obstacle import Obstacle


@dataclass(frozen=True, kw_only=True)
class InputBlob:
    """A blob of the input container, which may be no file, or not yet."""

    version: BlobVersion
    is_folder: bool
    is_pending: bool


def as_input_blob(properties: BlobProperties, container: str) -> InputBlob:
    version = BlobVersion(
        container=container,
        name=properties.name,
        etag=properties.etag.strip('"'),
        last_modified=properties.last_modified,
        size=properties.size,
        obstacle=obstacle_of(properties),
        metadata=tuple(sorted((str(name), str(value)) for name, value in (properties.metadata or {}).items())),
    )
    is_pending = properties.copy.status == "pending"
    return InputBlob(version=version, is_folder=is_folder_marker(properties), is_pending=is_pending)


def obstacle_of(properties: BlobProperties) -> Obstacle | None:
    """Return what keeps a blob from being read, as far as its properties show."""
    is_archived = properties.blob_tier == "Archive"
    is_broken = properties.copy.status in {"failed", "aborted"} and properties.size == 0
    obstacles = [
        (has_dot_segment(properties.name), Obstacle.NAME),
        (properties.encryption_key_sha256, Obstacle.CUSTOMER_KEY),
        (properties.copy.incremental_copy, Obstacle.INCREMENTAL_COPY),
        (is_broken, Obstacle.BROKEN_COPY),
        (is_archived and properties.archive_status, Obstacle.REHYDRATING),
        (is_archived, Obstacle.ARCHIVED),
    ]
    return next((obstacle for is_so, obstacle in obstacles if is_so), None)


def is_folder_marker(properties: BlobProperties) -> bool:
    """Return whether the blob marks a folder, as those of accounts with a hierarchical namespace do.

    https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-known-issues#blob-apis
    """
    metadata = {name.lower(): value for name, value in (properties.metadata or {}).items()}
    return properties.size == 0 and str(metadata.get("hdi_isfolder")).lower() == "true"
