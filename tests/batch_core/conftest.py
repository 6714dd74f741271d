from collections.abc import AsyncIterator

import pytest

from batch_core import provision
from batch_core.app import App, open_app
from batch_core.settings import Settings


@pytest.fixture
async def storage_app(environment: dict[str, str]) -> AsyncIterator[App]:
    """An app with containers and table; there is no Batch."""
    app = open_app(Settings.from_env(environment))
    *containers_and_table, _ = provision.resources(app)
    for resource in containers_and_table:
        await provision.make(resource)
    yield app
    await app.clients.close()


@pytest.fixture
async def app(environment: dict[str, str], batch_endpoint: str) -> AsyncIterator[App]:
    """An app with everything: containers, table and a pool of two nodes."""
    app = open_app(Settings.from_env(environment | {"BATCH_ENDPOINT": batch_endpoint}))
    for resource in provision.resources(app):
        await provision.make(resource)
    yield app
    await app.clients.batch.begin_delete_pool(app.settings.pool.id)
    await app.clients.close()
