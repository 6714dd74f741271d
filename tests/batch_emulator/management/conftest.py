"""The real client of Azure Resource Manager for Batch, of an emulator."""

from contextlib import asynccontextmanager

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.batch.aio import BatchManagementClient

from batch_emulator.settings import DEFAULT_ACCOUNT

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
#: The group and the account, as all operations take them.
ACCOUNT = ("rg-tests", DEFAULT_ACCOUNT)


class NoCredential:
    """Over HTTP no token is sent: the client's own policy would refuse to."""

    async def get_token(self, *_, **__):
        raise AssertionError("no token is asked for")


@asynccontextmanager
async def manager_of(url, **options):
    """Open a client without a token, which sends nothing twice."""
    policy = SansIOHTTPPolicy()
    async with BatchManagementClient(
        NoCredential(), SUBSCRIPTION, base_url=url, authentication_policy=policy, retry_total=0, **options
    ) as client:
        yield client


@pytest.fixture
async def manager(url):
    async with manager_of(url) as client:
        yield client
