"""Azurite for the emulator's tests: containers, what is in them, and URLs that give access."""

import itertools
from datetime import UTC, datetime, timedelta

from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient

from local.azurite import ACCOUNT_KEY, ACCOUNT_NAME

_numbers = itertools.count(1)


class Boxes:
    """The containers of a running Azurite."""

    def __init__(self, client: BlobServiceClient) -> None:
        self.client = client

    async def container(self, **blobs: bytes) -> str:
        name = f"box-{next(_numbers)}"
        await self.client.create_container(name)
        for blob, content in blobs.items():
            await self.client.get_blob_client(name, blob).upload_blob(content)
        return name

    def url(self, container: str, blob: str = "") -> str:
        """Return a URL without any access."""
        return f"{self.client.url.rstrip('/')}/{container}" + f"/{blob}" * bool(blob)

    def signed(self, container: str, permission: str = "racwl") -> str:
        """Return a container's URL with a SAS, as clients of the service make it."""
        token = generate_container_sas(
            ACCOUNT_NAME,
            container,
            ACCOUNT_KEY,
            permission=ContainerSasPermissions.from_string(permission),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return f"{self.url(container)}?{token}"

    async def blobs(self, container: str) -> dict[str, bytes]:
        client = self.client.get_container_client(container)
        names = [name async for name in client.list_blob_names()]
        return {name: await self.read(container, name) for name in names}

    async def read(self, container: str, blob: str) -> bytes:
        stream = await self.client.get_blob_client(container, blob).download_blob()
        return await stream.readall()
