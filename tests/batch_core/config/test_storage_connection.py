import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient
from hypothesis import given
from hypothesis import strategies as st

from batch_core.config.storage_connection import (
    ConnectionStringError,
    account_of,
    blob_endpoint_of,
    parse_connection_string,
)

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURE = f"DefaultEndpointsProtocol=https;AccountName=files;AccountKey={KEY};EndpointSuffix=core.windows.net"


def urls_of(text: str) -> list[str]:
    """The URLs that the SDKs of the three services would call."""
    clients = [service.from_connection_string(text) for service in (BlobServiceClient, QueueServiceClient)]
    return [client.url.rstrip("/") for client in [*clients, TableServiceClient.from_connection_string(text)]]


def at(base: str) -> list[str]:
    return [f"{base}:{port}/devstoreaccount1" for port in (10000, 10001, 10002)]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1"),
        ("UseDevelopmentStorage=true;", "http://127.0.0.1"),
        ("UseDevelopmentStorage=True;;", "http://127.0.0.1"),
        ("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite", "http://azurite"),
        ("DevelopmentStorageProxyUri=https://localhost/;UseDevelopmentStorage=true;", "https://localhost"),
        ("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://[::1]", "http://[::1]"),
    ],
)
def test_development_storage_is_the_same_for_every_sdk(text, base):
    parsed = parse_connection_string(text)
    assert urls_of(parsed) == at(base)
    assert (account_of(parsed), blob_endpoint_of(parsed)) == ("devstoreaccount1", at(base)[0])


@pytest.mark.parametrize(
    "text",
    [
        AZURE,
        AZURE + ";",
        f"AccountName=files;AccountKey={KEY}",
        f"AccountName=files;AccountKey={KEY};BlobEndpoint=https://files.blob.core.windows.net/",
    ],
)
def test_an_account_of_azure_is_taken_as_it_is(text):
    assert parse_connection_string(text) == text
    assert urls_of(text) == [f"https://files.{service}.core.windows.net" for service in ("blob", "queue", "table")]
    assert blob_endpoint_of(text) == "https://files.blob.core.windows.net"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no AccountName"),
        (KEY, "NAME=VALUE"),
        (AZURE.replace(";", "; "), "a blank or a line break after a ';'"),
        (AZURE.replace(";", ";\n"), "a blank or a line break after a ';'"),
        (AZURE + "; ", "a blank or a line break after a ';'"),
        (" " + AZURE, "a blank or a line break"),
        (AZURE + "\n", "blanks around the value of EndpointSuffix"),
        (AZURE.replace("AccountName=files;", ""), "no AccountName"),
        (AZURE.replace("=files;", "=;"), "AccountName has no value"),
        (AZURE.replace("=files;", "=fi/les;"), "its AccountName is none"),
        (AZURE.replace("=files;", "=[files];"), "its AccountName is none"),
        (f"AccountName=files;SharedAccessSignature=sig={KEY}", "no AccountKey"),
        (AZURE.replace(KEY, "ключ"), "its AccountKey is not base64"),
        (AZURE.replace(KEY, KEY.replace("v", "é")), "its AccountKey is not base64"),
        (AZURE.replace(KEY, KEY[:-1]), "its AccountKey is not base64"),
        (AZURE.replace("AccountKey", "accountkey"), "AccountKey in this spelling"),
        (AZURE.replace("AccountKey", "AcountKey"), "NAME=VALUE"),
        (AZURE + ";AccountName=other", "AccountName twice"),
        (AZURE.replace("https", "http"), "must begin with https://"),
        (AZURE.replace("https", "ftp"), "DefaultEndpointsProtocol must be https"),
        (f"{AZURE};BlobEndpoint=files.blob.core.windows.net", "not QueueEndpoint"),
        (f"{AZURE};FileEndpoint=files", "its FileEndpoint must be a URL"),
        (AZURE.replace("core.windows.net", "[core]"), "the SDK of Storage cannot read it"),
        (AZURE.replace("core.windows.net", "core windows"), "must be a URL"),
        (
            f"AccountName=f;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/f",
            "names BlobEndpoint, but not QueueEndpoint",
        ),
        (f"AccountName=f;AccountKey={KEY};BlobEndpoint=https://f.blob.x:99999", "host or port cannot be read"),
        ("UseDevelopmentStorage=false", "can only be true"),
        (f"UseDevelopmentStorage=true;AccountKey={KEY}", "nothing else is allowed"),
        ("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://[x]", "host or port cannot be read"),
    ],
)
def test_what_one_of_its_readers_would_not_take_is_refused_in_words(text, words):
    with pytest.raises(ConnectionStringError) as caught:
        parse_connection_string(text)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


names = st.sampled_from(
    ["AccountName", "AccountKey", "BlobEndpoint", "QueueEndpoint", "TableEndpoint", "EndpointSuffix", "accountname"]
)
more_names = st.sampled_from(
    ["DefaultEndpointsProtocol", "UseDevelopmentStorage", "DevelopmentStorageProxyUri", "BlobSecondaryEndpoint"]
)
values = st.one_of(st.sampled_from(["files", KEY, "https", "true", "http://[::1]:1/a", "https://a.b.c"]), st.text())


@given(
    st.one_of(
        st.text(),
        st.lists(st.tuples(st.one_of(names, more_names), values)).map(lambda pairs: ";".join(map("=".join, pairs))),
    )
)
def test_what_is_taken_every_sdk_takes_and_all_else_is_refused(text):
    try:
        parsed = parse_connection_string(text)
    except ConnectionStringError:
        return
    assert len(urls_of(parsed)) == 3
