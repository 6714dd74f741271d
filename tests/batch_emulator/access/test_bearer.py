"""HTTPS and bearer tokens: what a TokenCredential needs."""

import asyncio
import base64
import json
import re
import ssl
import time
from types import SimpleNamespace

import aiohttp
import pytest
from azure.batch import BatchClient as SyncClient
from azure.batch.aio import BatchClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_emulator.access.bearer import check_token
from batch_emulator.certificate import make_certificate
from batch_emulator.errors import BatchError
from batch_emulator.server import running
from batch_emulator.settings import DEFAULT_KEY, Settings
from tests.batch_emulator.conftest import CREDENTIAL, Batch
from tests.batch_emulator.execution.test_process import start
from tests.batch_emulator.signed import VERSION, values

AUDIENCE = "https://batch.core.windows.net/"


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token(**claims):
    claims = {"aud": AUDIENCE, "exp": int(time.time()) + 3600, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


class Credential:
    """Gives tokens as Entra ID does: the audience is the scope without its end."""

    def __init__(self):
        self.scopes = []

    def token(self, *scopes):
        self.scopes += scopes
        return AccessToken(token(aud=scopes[0].removesuffix("/.default")), int(time.time()) + 3600)


class SyncCredential(Credential):
    def get_token(self, *scopes, **_):
        return self.token(*scopes)


class AsyncCredential(Credential):
    async def get_token(self, *scopes, **_):
        return self.token(*scopes)

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
async def secure(cert):
    """Return the URL of an emulator that serves HTTPS."""
    async with running(Settings(port=0, cert=cert[0], key_file=cert[1])) as address:
        yield address


async def test_a_token_credential_does_the_tour_over_https(secure, cert):
    credential = AsyncCredential()
    async with BatchClient(secure, credential, connection_verify=str(cert[0])) as client:
        batch = Batch(client)
        job = await batch.job(await batch.ready_pool(1))
        await batch.run(job, "/bin/sh -c 'echo $AZ_BATCH_ACCOUNT_URL'")
        assert await batch.output(job) == f"{secure}/\n"
        pages = client.list_tasks(job, max_results=1).by_page()
        assert [task.id async for task in await anext(pages)] == ["task"]
    assert credential.scopes == [f"{AUDIENCE}/.default"]


async def test_the_sync_client_takes_the_certificate_from_its_environment(secure, cert, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert[0]))

    def pools():
        with SyncClient(secure, SyncCredential()) as client:
            return [pool.url for pool in client.list_pools()]

    assert all(url.startswith("https://") for url in await asyncio.to_thread(pools))


async def test_a_signature_is_taken_over_https_too(secure, cert):
    async with BatchClient(secure, CREDENTIAL, connection_verify=str(cert[0])) as client:
        assert isinstance([job async for job in client.list_jobs()], list)


async def ask(url, cert, authorization, path="/pools", **headers):
    context = ssl.create_default_context(cafile=cert[0])
    headers = {"Authorization": authorization, **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}{path}?api-version={VERSION}", headers=headers, ssl=context) as response,
    ):
        return SimpleNamespace(status=response.status, body=await response.json())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (token(aud="https://management.azure.com/"), "wrong audience or resource 'https://management.azure.com/'"),
        (token(aud=None), "wrong audience"),
        (token(aud=[7]), "wrong audience"),
        (token(exp=int(time.time()) - 3600), "has expired"),
        (token(exp=float("nan")), "has expired"),
        (token(exp=None), "no number as its claim 'exp'"),
        (token(exp=True), "no number as its claim 'exp'"),
        (token(nbf=int(time.time()) + 3600), "not valid yet"),
        (token().rpartition(".")[0], "three parts"),
        (token().rpartition(".")[0] + ".", "three parts"),
        ("a.b.c", "not JSON in base64"),
        (f"{part([])}.{part({})}.c", "not a JSON object"),
        (f"{part({})}.{part({})}.c", "names no algorithm"),
    ],
    # Not the tokens, which hold the time: two workers must find the same tests.
    ids=lambda value: value if " " in value else "token",
)
async def test_a_token_that_is_not_one_for_batch_is_refused(secure, cert, text, said):
    answer = await ask(secure, cert, f"Bearer {text}")
    assert (answer.status, answer.body["code"]) == (401, "AuthenticationFailed")
    assert said in values(answer)["AuthenticationErrorDetail"]
    assert text not in json.dumps(answer.body)


@pytest.mark.parametrize("audience", [AUDIENCE, AUDIENCE.rstrip("/"), [AUDIENCE, "other"]])
async def test_the_audience_is_taken_with_and_without_its_slash(secure, cert, audience):
    assert (await ask(secure, cert, f"bearer {token(aud=audience)}")).status == 200


async def test_the_sdk_sees_a_refused_token_as_401(secure, cert):
    credential = AsyncCredential()
    options = {"connection_verify": str(cert[0]), "credential_scopes": ["https://other/.default"]}
    async with BatchClient(secure, credential, **options) as client:
        with pytest.raises(ClientAuthenticationError) as caught:
            await client.get_pool("any")
    assert caught.value.error.code == "AuthenticationFailed"


class AllowHttp(SansIOHTTPPolicy):
    def on_request(self, request):
        request.context.options.setdefault("enforce_https", False)


async def test_a_token_over_http_is_refused_with_the_way_out(url):
    async with BatchClient(url, AsyncCredential(), retry_total=0) as client:
        with pytest.raises(ServiceRequestError, match="not permitted for non-TLS"):
            await client.get_pool("any")
    async with BatchClient(url, AsyncCredential(), per_call_policies=[AllowHttp()]) as client:
        with pytest.raises(HttpResponseError) as caught:
            await client.get_pool("any")
    assert caught.value.status_code == 403
    assert "over HTTPS only: start the emulator with --cert" in str(caught.value.model.as_dict())


async def test_a_token_alone_does_not_open_the_emulators_own_interface_to_web_pages(secure, cert):
    answer = await ask(secure, cert, f"Bearer {token()}", "/_emulator/faults", Origin="https://example.com")
    assert answer.status == 403


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.lists(st.from_regex(r"[\w-]{0,20}={0,2}", fullmatch=True), max_size=4).map(".".join))
def test_any_text_as_a_token_is_refused_and_nothing_worse(text):
    with pytest.raises(BatchError) as caught:
        check_token(text)
    assert caught.value.error.status == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["aud", "exp", "nbf"]), inner),
)


@settings(deadline=None, max_examples=200)
@given(JSON)
def test_any_claims_are_refused_or_taken_and_nothing_worse(claims):
    try:
        check_token(f"{part({'alg': 'none'})}.{part(claims)}.c2ln")
    except BatchError as exc:
        assert exc.error.status == 401  # noqa: PT017 - both outcomes are right


async def test_the_command_line_serves_https_and_warns_that_tokens_keep_nobody_out(cert):
    arguments = ("--in-memory", "--cert", str(cert[0]), "--key-file", str(cert[1]), "--host", "0.0.0.0")
    process = await start(*arguments)
    line = (await asyncio.wait_for(process.stdout.readline(), 15)).decode()
    assert line.startswith("Azure Batch emulator ready at https://0.0.0.0:")
    assert DEFAULT_KEY in line
    process.terminate()
    _, err = await process.communicate()
    assert b"with or without the key" in err


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_no_emulator_starts_with_a_certificate_that_cannot_be_read(tmp_path, cert, content):
    path = tmp_path / "cert.pem"
    if content is not None:
        path.write_bytes(content)
    said = f"{path} and {cert[1]}: no certificate and private key can be read"
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        async with running(Settings(port=0, cert=path, key_file=cert[1])):
            pass
    assert "\n" not in str(refused.value)


async def test_a_certificate_that_cannot_be_read_is_said(tmp_path, cert):
    path = tmp_path / "cert.pem"
    process = await start("--in-memory", "--cert", str(path), "--key-file", str(cert[1]))
    out, err = await process.communicate()
    assert (process.returncode, out, len(err.splitlines())) == (1, b"", 1)
    assert f"{path} and {cert[1]}: no certificate and private key can be read" in err.decode()


async def test_certificate_and_key_may_stand_in_one_file(tmp_path, cert):
    both = tmp_path / "both.pem"
    both.write_bytes(cert[0].read_bytes() + cert[1].read_bytes())
    async with running(Settings(port=0, cert=both)) as url:
        assert (await ask(url, cert, f"Bearer {token()}")).status == 200
