"""The app's Blob service, for the commands that write inputs and read outputs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobServiceClient

from batch_core.config.settings import Settings
from batch_core.errors import AppError
from batch_core.sdk.translation import translating
from batch_core.services.clients import open_clients
from local.errors import StackError


@asynccontextmanager
async def blob_storage(settings: Settings, action: str) -> AsyncIterator[BlobServiceClient]:
    """Give a client of the app's Blob service until the block is left.

    Raises `StackError` in place of whatever the service refuses in the block; its text begins with `action`, such as
    "reading 'a.txt'".
    """
    clients = open_clients(settings)
    try:
        with translating(action):
            yield clients.blobs
    except (AppError, AzureError) as exc:
        raise StackError(str(exc)) from exc
    finally:
        await clients.close()
