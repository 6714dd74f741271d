"""A blob is addressed and its properties are read so that no name and no answer leads to another."""

from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from batch_core.errors import Refused
from batch_core.naming import has_dot_segment
from batch_core.obstacle import Obstacle


def blob_client(client: BlobServiceClient, container: str, blob_name: str) -> BlobClient:
    """Return the blob's client; raises `Refused` where the name would lead a URL to another blob or container.

    With a shared key the signature would not fit; with an identity or an account SAS nothing else would notice.
    """
    if has_dot_segment(blob_name):
        raise Refused(f"addressing blob {blob_name!r} of container {container}", detail=Obstacle.NAME.sentence)
    return client.get_blob_client(container, blob_name)


async def blob_properties(blob: BlobClient) -> BlobProperties:
    """Ask for a blob's properties; raises `ValueError` if the answer is not about a blob."""
    properties = await blob.get_blob_properties()
    # Every blob has a type (https://learn.microsoft.com/rest/api/storageservices/get-blob-properties); a page of
    # whatever answers in the service's place has not.
    if properties.blob_type is None or properties.etag is None:
        raise ValueError("it has none of the headers of a blob")
    return properties
