"""One host for most tests of this folder."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from tests.local.hosts import APPS, RunningHost, host


@pytest.fixture(scope="session")
async def blobs(storage) -> AsyncIterator[BlobServiceClient]:
    async with BlobServiceClient.from_connection_string(storage.connection_string) as client:
        for container in ("inbox", "raw", "faulty", "events"):
            await client.create_container(container)
        # Every host has this one; other tests may have run one before.
        with suppress(ResourceExistsError):
            await client.create_container("azure-webjobs-hosts")
        yield client


@pytest.fixture(scope="session")
async def queues(storage) -> AsyncIterator[QueueServiceClient]:
    async with QueueServiceClient.from_connection_string(storage.connection_string) as client:
        yield client


@pytest.fixture(scope="session")
async def running_host(storage, blobs, tmp_path_factory) -> AsyncIterator[RunningHost]:
    folder = tmp_path_factory.mktemp("host")
    async with host(APPS / "triggers", storage.connection_string, folder) as running:
        yield running
