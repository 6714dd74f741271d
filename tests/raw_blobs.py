"""Blobs whose names no client of Storage can send: put by hand, as something that does not resolve dots may do."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import aiohttp
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.storage.blob.aio import BlobServiceClient
from yarl import URL

#: As Azurite keeps them; Azure itself has none of these.
DOT_NAMES = ["../output/x.txt", "..", ".", "a/../b.txt", "./c.txt", "d/.", "/../e.txt"]


def account_sas(client: BlobServiceClient) -> str:
    """Return a token for everything in the account, which signs no path: like the token of an identity."""
    return generate_account_sas(
        client.account_name,
        client.credential.account_key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, create=True, list=True),
        datetime.now(UTC) + timedelta(hours=1),
    )


async def put_raw(client: BlobServiceClient, container: str, name: str, content: bytes = b"text") -> None:
    """Put a blob of exactly this name."""
    path = quote(name, safe="/").replace(".", "%2E")
    url = URL(f"{client.url.rstrip('/')}/{container}/{path}?{account_sas(client)}", encoded=True)
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-10-04"}
    async with aiohttp.ClientSession() as http, http.put(url, data=content, headers=headers) as response:
        assert response.status == 201, await response.text()
