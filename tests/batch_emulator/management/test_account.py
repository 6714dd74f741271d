"""The account by Azure Resource Manager, who may manage it, and what is not there."""

import asyncio
import re
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.batch.aio import BatchManagementClient

import batch_emulator
from batch_emulator.certificate import make_certificate
from batch_emulator.server import running
from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY, Settings
from tests.batch_emulator.access.test_bearer import AsyncCredential, token
from tests.batch_emulator.conftest import own_emulator
from tests.batch_emulator.management.conftest import ACCOUNT, SUBSCRIPTION, manager_of

OWN_KEY = "b3duIGtleSBvZiBhIHVzZXI="
AN_ACCOUNT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/{DEFAULT_ACCOUNT}"
)
VERSION = "?api-version=2025-06-01"


async def test_the_account_is_found_wherever_it_is_looked_for(manager, url):
    found = await manager.batch_account.get(*ACCOUNT)
    assert (found.name, found.type) == (DEFAULT_ACCOUNT, "Microsoft.Batch/batchAccounts")
    assert found.properties.account_endpoint == url.removeprefix("http://")
    assert (found.properties.provisioning_state, found.properties.pool_allocation_mode) == ("Succeeded", "BatchService")
    assert [one.name async for one in manager.batch_account.list()] == [DEFAULT_ACCOUNT]
    assert [one.id async for one in manager.batch_account.list_by_resource_group(ACCOUNT[0])] == [found.id]
    with pytest.raises(ResourceNotFoundError, match="The account is 'devbatchaccount1'"):
        await manager.batch_account.get("rg", "another")


async def test_quotas_are_those_that_are_set():
    async with own_emulator() as url, manager_of(url) as manager:
        async with aiohttp.ClientSession() as session:
            await session.put(f"{url}/_emulator/quotas", json={"pools": 3})
        assert (await manager.batch_account.get(*ACCOUNT)).properties.pool_quota == 3


async def test_the_key_is_shown_that_everybody_knows(manager):
    keys = await manager.batch_account.get_keys(*ACCOUNT)
    assert (keys.account_name, keys.primary, keys.secondary) == (DEFAULT_ACCOUNT, DEFAULT_KEY, DEFAULT_KEY)


@pytest.mark.parametrize("host", ["127.0.0.1:99999", "xn--batch.localhost:10003"])
async def test_the_account_is_at_the_name_by_which_it_was_asked_for(url, host):
    asked = f"{url}{AN_ACCOUNT}{VERSION}"
    async with aiohttp.ClientSession() as session, session.get(asked, headers={"Host": host}) as answer:
        assert (await answer.json())["properties"]["accountEndpoint"] == host


async def test_paths_are_taken_in_any_case(url):
    path = AN_ACCOUNT.replace("resourceGroups", "RESOURCEGROUPS").replace("batchAccounts", "batchaccounts")
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}/POOLS{VERSION}") as answer:
        assert (answer.status, list(await answer.json())) == (200, ["value"])


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", f"{AN_ACCOUNT}/applications{VERSION}", 501, "README lists what it has"),
        ("PUT", f"{AN_ACCOUNT}{VERSION}", 501, "README lists what it has"),
        ("POST", f"{AN_ACCOUNT}/regenerateKeys{VERSION}", 501, "README lists what it has"),
        ("GET", f"/subscriptions/{SUBSCRIPTION}/resourceGroups{VERSION}", 501, "README lists what it has"),
        ("GET", f"{AN_ACCOUNT}/pools", 400, "api-version"),
        ("GET", f"{AN_ACCOUNT.replace('/rg/', '/%00/')}/pools{VERSION}", 400, "InvalidUri"),
        ("GET", f"/subscriptions/%0D%0Ax/providers/Microsoft.Batch/batchAccounts{VERSION}", 400, "InvalidUri"),
        ("GET", f"{AN_ACCOUNT}/pools?api-version=2017-09-01", 400, "2021-06-01 or later"),
        ("GET", f"{AN_ACCOUNT}/pools?api-version=new", 400, "A date is expected"),
        ("GET", f"{AN_ACCOUNT}/poolOperationResults/other{VERSION}", 404, "ResourceNotFound"),
    ],
)
async def test_what_is_not_there_says_so_in_its_callers_shape(url, method, path, status, said):
    async with aiohttp.ClientSession() as session, session.request(method, f"{url}{path}") as answer:
        assert answer.status == status
        error = (await answer.json())["error"]
    assert said in str(error)
    assert f"RequestId:{answer.headers['request-id']}" in error["message"]


async def test_pages_of_other_sites_manage_nothing(url):
    headers = {"Origin": "https://example.com"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}{AN_ACCOUNT}/listKeys{VERSION}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "OriginNotAllowed")
        async with session.get(f"{url}{AN_ACCOUNT}{VERSION}", headers={"Host": "example.com"}) as answer:
            assert answer.status == 403


async def test_an_account_with_a_key_of_its_own_is_not_managed_over_http():
    async with running(Settings(port=0, key=OWN_KEY)) as url, manager_of(url) as manager:
        with pytest.raises(ClientAuthenticationError, match="--cert"):
            await manager.batch_account.get(*ACCOUNT)


async def test_over_https_a_token_for_resource_manager_is_asked_for(tmp_path):
    cert, key_file = make_certificate(tmp_path)
    settings = Settings(port=0, cert=cert, key_file=key_file, key=OWN_KEY)
    async with running(settings) as url:
        credential = AsyncCredential()
        async with BatchManagementClient(
            credential, SUBSCRIPTION, base_url=url, connection_verify=str(cert), retry_total=0
        ) as manager:
            assert (await manager.batch_account.get(*ACCOUNT)).name == DEFAULT_ACCOUNT
            # A key of one's own is never shown.
            with pytest.raises(HttpResponseError, match="KeyNotShown") as refusal:
                await manager.batch_account.get_keys(*ACCOUNT)
            assert OWN_KEY not in str(refusal.value)
        assert credential.scopes == ["https://management.azure.com/.default"]
        context = ssl.create_default_context(cafile=cert)
        for given in ("", f"Bearer {token()}", "Bearer x"):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{url}{AN_ACCOUNT}{VERSION}", headers={"Authorization": given}, ssl=context) as answer,
            ):
                assert (answer.status, (await answer.json())["error"]["code"]) == (401, "AuthenticationFailed")


def example():
    """Return the README's example."""
    readme = (Path(batch_emulator.__file__).parent / "README.md").read_text(encoding="utf-8")
    return re.search(r"^```python\n# managing\.py\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]


async def test_the_example_of_the_readme_runs(url, batch):
    program = example().replace("http://127.0.0.1:10003", url)
    left, right = program.split("client.pool.begin_delete")
    looked_at = f"{left}print(client.pool.get(*account, 'managed').name)\nclient.pool.begin_delete{right}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", looked_at, stdout=asyncio.subprocess.PIPE
    )
    assert await process.communicate() == (b"managed\n", None)
    assert not [pool.id async for pool in batch.client.list_pools() if pool.id == "managed"]
