"""What these tests do concerns a whole emulator: each of their modules has one of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.batch_emulator.conftest import Batch, impatient_client, own_emulator


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with own_emulator() as address:
        yield address


@pytest.fixture
async def batch(url: str) -> AsyncIterator[Batch]:
    async with impatient_client(url) as batch:
        yield batch
