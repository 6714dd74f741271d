import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_core.redaction import looks_secret, shown


@given(st.binary(min_size=64, max_size=64), st.sampled_from(["", "my key ", "AccountName="]))
def test_a_key_is_never_shown(key, before):
    text = before + base64.b64encode(key).decode()
    assert looks_secret(text)
    assert base64.b64encode(key).decode()[:12] not in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://a.blob.core.windows.net/c?sv=1&sig=abc",
        "AccountName=a;AccountKey=abc",
        "SharedAccessSignature=x",
        "https://user:pw@host",
        "eyJhbGciOiJub25lIn0.e30.",
        "my-password",
        pytest.param(secrets.token_hex(32), id="hex"),
        pytest.param(secrets.token_urlsafe(48) + "=", id="base64"),
    ],
)
def test_what_holds_a_secret_is_described(text):
    assert shown(text) == f"a text of {len(text)} characters that looks like a secret (not shown)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P9999999999999D",
        "Input_Container",
        "*/5 * * * *",
        "canonical:ubuntu-24_04-lts:server:latest",
        "account.region.batch.azure.com",
        "a-container-with-a-rather-long-name",
        "0 0 0 ? * FRI",
        "11111111-2222-3333-4444-555555555555",
        "x" * 17,
    ],
)
def test_plain_values_are_shown(text):
    assert shown(text) == repr(text)


def test_a_long_value_is_cut():
    assert shown("no " * 1000) == repr(("no " * 1000)[:200] + "...")
