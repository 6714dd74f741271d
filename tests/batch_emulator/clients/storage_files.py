"""Files in Storage by azure-storage-blob 12.8.1, the one that two of Microsoft's samples pin; it is beside them."""

from datetime import UTC, datetime, timedelta

from azure.batch import models
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobSasPermissions, generate_blob_sas


def make_container(blobs, name):
    try:
        blobs.create_container(name)
    except ResourceExistsError:
        print(f"the container {name} is there already")


def upload(blobs, key, container, name, content):
    """Upload a file; return it as a resource file."""
    blob = blobs.get_blob_client(container, name)
    blob.upload_blob(content, overwrite=True)
    token = generate_blob_sas(
        *(blobs.account_name, container, name),
        account_key=key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=2),
    )
    return models.ResourceFile(http_url=f"{blob.url}?{token}", file_path=name)
