import asyncio

import pytest
from azure.batch import BatchClient as SyncClient
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError

from batch_emulator.settings import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.batch_emulator.conftest import CREDENTIAL
from tests.batch_emulator.signed import send, values

OTHER_KEY = "b3RoZXIga2V5"


async def test_a_wrong_key_is_refused_with_help_and_without_secrets(url):
    answer = await send(url, "GET", "/pools", key=OTHER_KEY)
    assert answer.status == 403
    assert answer.body["code"] == "AuthenticationFailed"
    assert "Check the account key" in values(answer)["AuthenticationErrorDetail"]
    assert DEFAULT_KEY not in str(answer.body)


async def test_the_sdk_sees_a_wrong_key_as_403(url):
    async with BatchClient(url, AzureNamedKeyCredential(DEFAULT_ACCOUNT, OTHER_KEY)) as client:
        with pytest.raises(HttpResponseError) as caught:
            await client.get_pool("any")
    assert (caught.value.status_code, caught.value.error.code) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Authorization": ""}, "no Authorization"),
        ({"Authorization": "Bearer abc"}, "over HTTPS only"),
        ({"Authorization": "Basic abc"}, "'Basic' is not offered"),
        ({"Authorization": "SharedKey devbatchaccount1:"}, "does not match"),
        ({"Authorization": "SharedKey devbatchaccount1"}, "does not match"),
        ({"Authorization": "SharedKey DevBatchAccount1:abc"}, "'devbatchaccount1' only"),
        ({"Authorization": "SharedKey"}, "'devbatchaccount1' only"),
        ({"Authorization": "SharedKey other:abc"}, "'devbatchaccount1' only"),
        ({"Authorization": "SharedKey devbatchaccount1:\xff"}, "does not match"),
        ({"ocp-date": "yesterday"}, "RFC 1123"),
        ({"ocp-date": "Mon, 01 Jan 99999999999999 00:00:00 GMT"}, "RFC 1123"),
        ({"If-Match": "*"}, "does not match"),
    ],
)
async def test_what_is_changed_after_signing_is_refused(url, change, said):
    answer = await send(url, "GET", "/pools", after_signing=change)
    assert answer.status == 403
    assert said in values(answer)["AuthenticationErrorDetail"]


@pytest.mark.parametrize("age", [16 * 60, -16 * 60])
async def test_an_old_or_future_date_is_refused(url, age):
    answer = await send(url, "GET", "/pools", age=age)
    assert answer.status == 403
    assert "15 minutes" in values(answer)["AuthenticationErrorDetail"]


async def test_a_date_a_little_off_is_taken(url):
    assert (await send(url, "GET", "/pools", age=10 * 60)).status == 200


async def test_a_path_signed_encoded_and_sent_decoded_is_taken(url):
    answer = await send(url, "GET", "/jobs/sched:job-1", sign_path="/jobs/sched%3Ajob-1")
    assert (answer.status, answer.body["code"]) == (404, "JobNotFound")


async def test_another_path_than_the_signed_one_is_refused(url):
    assert (await send(url, "GET", "/jobs/a", sign_path="/jobs/b")).status == 403


async def test_the_query_is_signed(url):
    answer = await send(url, "GET", "/pools?maxresults=1", sign_path="/pools")
    assert answer.status == 403


async def test_the_sync_client_lists_pools(url, pool):
    def pools():
        with SyncClient(url, CREDENTIAL) as client:
            return [found.id for found in client.list_pools()]

    assert pool in await asyncio.to_thread(pools)
