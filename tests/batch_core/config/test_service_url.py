from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from batch_core.config.service_url import host_of, is_loopback, is_this_machine, url_problem


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://a.westeurope.batch.azure.com", "batch"),
        ("https://a.westeurope.batch.azure.com:443/", "batch"),
        ("https://a.blob.core.windows.net", "blob"),
        ("https://a-secondary.blob.core.windows.net", "blob"),
        ("https://a.z13.blob.storage.azure.net", "blob"),
        ("https://a.table.cosmos.azure.com", "table"),
        ("http://127.0.0.1:10000/devstoreaccount1", "blob"),
        ("http://localhost:10003", "batch"),
        ("http://azurite.localhost:10000", "blob"),
        ("http://[::1]:10003", "batch"),
        ("http://127.8.9.1", "batch"),
        ("http://host.docker.internal:10003", "batch"),
    ],
)
def test_urls_of_azure_and_of_this_machine_are_taken(url, service):
    assert url_problem(url, service=service) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("a.westeurope.batch.azure.com", "https:// and the name"),
        ("ftp://a.b", "https:// and the name"),
        ("https://", "https:// and the name"),
        ("https://:443", "https:// and the name"),
        ("https://a..b", "https:// and the name"),
        ("https://1.2.3", "https:// and the name"),
        ("https://büro.de", "https:// and the name"),
        ("https://a.b:0", "https:// and the name"),
        ("https://a.b:x", "cannot be read"),
        ("https://[a", "cannot be read"),
        ("https://user:key@a.b", "without user"),
        ("https://a.b?sv=1&sig=2", "without user"),
        ("https://portal.azure.com/#@t/resource/subscriptions/s", "a page of portal.azure.com"),
        ("https://management.azure.com/subscriptions/s", "a page of management.azure.com"),
        ("/subscriptions/s/resourceGroups/g", "ARM id"),
        ("https://a.dfs.core.windows.net", "a Dfs service"),
        ("https://a.westeurope.batch.azure.com", "a Batch account"),
        ("https://a.blob.core.windows.net/input", "without a path"),
        ("http://a.blob.core.windows.net", "unencrypted"),
        ("http://192.168.1.7:10000", "unencrypted"),
        ("http://127.0.0.1.evil.example", "unencrypted"),
        ("http://localhost.evil.example", "unencrypted"),
    ],
)
def test_what_cannot_or_may_not_be_called_is_reported(url, words):
    assert words in str(url_problem(url, service="blob"))


@given(
    st.one_of(st.text(), st.text().map("https://{}".format), st.from_regex(r"https?://[^/]*(:\d*)?/?", fullmatch=True))
)
def test_what_is_taken_the_http_client_takes(url):
    if url_problem(url) is None:
        assert URL(url).host
        assert host_of(url).strip("[]").lower() == urlsplit(url).hostname
    assert isinstance(url_problem(url), str | None)


@pytest.mark.parametrize("host", [None, "", "10.0.0.1", "example.com", "localhost.com", "0.0.0.0"])
def test_another_machine_is_not_this_one(host):
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost", "account.localhost")],
        *[(host, False) for host in ("10.0.0.1", "localhost.example", "")],
    ],
)
def test_only_the_loopback_interface_is_this_machine(host, is_here):
    assert is_loopback(host) is is_here
