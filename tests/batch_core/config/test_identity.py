"""A user-assigned identity is named in one place, which the bindings, their parameter and the app read alike."""

import json
from contextlib import suppress
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from azure.identity import ManagedIdentityCredential
from azure.identity import aio as identities
from azurefunctions.extensions.bindings.blob import BlobClient

from batch_core.app import open_app
from batch_core.config.settings import Settings
from batch_core.errors import SettingsError

CLIENT_ID = "01234567-89ab-cdef-0123-456789abcdef"
URIS = {
    "DATA_STORAGE__blobServiceUri": "https://a.blob.core.windows.net",
    "DATA_STORAGE__queueServiceUri": "https://a.queue.core.windows.net",
    "DATA_STORAGE__tableServiceUri": "https://a.table.core.windows.net",
}
BATCH = {"BATCH_ENDPOINT": "https://a.westeurope.batch.azure.com", "BATCH_POOL_ID": "pool"}
ASSIGNED = {"DATA_STORAGE__credential": "managedidentity", "DATA_STORAGE__clientId": CLIENT_ID}
STRING = "UseDevelopmentStorage=true"


def problems_of(env):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return " ".join(caught.value.problems)


async def identity_of(env):
    """Return the credential that the app's clients hold, which must be the same for each service."""
    app = open_app(Settings.from_env(env))
    try:
        credentials = {app.clients.blobs.credential, app.clients.tables.credential}
        (credential,) = credentials | {app.clients.batch._config.credential}
        return credential
    finally:
        await app.clients.close()


async def test_the_app_asks_for_tokens_of_the_identity_that_the_bindings_are(monkeypatch):
    asked = []

    async def answer(request):
        asked.append(dict(request.query))
        return web.json_response(
            {"access_token": "t", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"}
        )

    # As a Function App has it: https://learn.microsoft.com/azure/app-service/overview-managed-identity
    async with RawTestServer(answer) as endpoint:
        monkeypatch.setenv("IDENTITY_ENDPOINT", str(endpoint.make_url("/msi/token")))
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        credential = await identity_of(URIS | BATCH | ASSIGNED)
        async with credential:
            await credential.get_token("https://storage.azure.com/.default")
    assert [(one["client_id"], one["resource"]) for one in asked] == [(CLIENT_ID, "https://storage.azure.com")]


async def test_without_one_it_is_what_the_default_credential_finds():
    assert isinstance(await identity_of(URIS | BATCH), identities.DefaultAzureCredential)


def test_the_parameter_of_the_blob_trigger_can_be_made_of_the_same_settings(monkeypatch):
    for name, value in (URIS | ASSIGNED).items():
        monkeypatch.setenv(name, value)
    client = parameter()
    assert (client.blob_name, client.url) == ("b", "https://a.blob.core.windows.net/c/b")
    assert isinstance(client.credential, ManagedIdentityCredential)


def parameter():
    content = json.dumps({"Connection": "DATA_STORAGE", "ContainerName": "c", "BlobName": "b"})
    data = SimpleNamespace(version="1.0", source="AzureStorageBlobs", content_type="application/json", content=content)
    return BlobClient(data=data).get_sdk_type()


@pytest.mark.parametrize("value", ["", STRING])
def test_what_the_parameter_cannot_be_made_of_is_a_settings_error(monkeypatch, value):
    for name, uri in (URIS | {"DATA_STORAGE": value}).items():
        monkeypatch.setenv(name, uri)
    # It fails, or takes the connection string for a URL.
    with suppress(ValueError):
        assert not parameter().url.startswith("https://a.blob.core.windows.net/")
    assert "DATA_STORAGE is " in problems_of(URIS | BATCH | {"DATA_STORAGE": value})


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"DATA_STORAGE__clientId": CLIENT_ID}, "DATA_STORAGE__credential is missing"),
        (ASSIGNED | {"DATA_STORAGE__credential": "default"}, "DATA_STORAGE__credential is 'default'"),
        (ASSIGNED | {"DATA_STORAGE__clientId": "my-identity"}, "DATA_STORAGE__clientId is 'my-identity'"),
        ({"AzureWebJobsDATA_STORAGE": STRING}, "AzureWebJobsDATA_STORAGE is set"),
        ({"AzureWebJobsDATA_STORAGE__blobServiceUri": "https://b"}, "AzureWebJobsDATA_STORAGE__blobServiceUri is set"),
    ],
)
def test_what_bindings_and_app_would_read_differently_is_reported(wrong, problem):
    assert problem in problems_of(URIS | BATCH | wrong)
