"""An app whose services are reached through relays, so that tests can spoil their answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batch_core.app import App, open_app
from batch_core.cli import provision
from batch_core.config.settings import Settings
from chaos.relay import Asked, Relay, Spoil, Spoiled, pass_all, relaying


@dataclass(frozen=True)
class Relayed:
    """The app, and the relays before its services."""

    app: App
    batch: Relay
    blobs: Relay
    tables: Relay


@asynccontextmanager
async def relayed_app(environment: dict[str, str], batch_endpoint: str) -> AsyncIterator[Relayed]:
    parts = dict(part.split("=", 1) for part in environment["DATA_STORAGE"].rstrip(";").split(";"))
    async with (
        relaying(batch_endpoint) as batch,
        relaying(parts["BlobEndpoint"]) as blobs,
        relaying(parts["TableEndpoint"]) as tables,
    ):
        parts["BlobEndpoint"] = parts["BlobEndpoint"].replace(blobs.target, blobs.endpoint)
        parts["TableEndpoint"] = parts["TableEndpoint"].replace(tables.target, tables.endpoint)
        storage = ";".join(f"{name}={value}" for name, value in parts.items())
        app = open_app(Settings.from_env(environment | {"BATCH_ENDPOINT": batch.endpoint, "DATA_STORAGE": storage}))
        try:
            await asyncio.gather(*map(provision.make, provision.resources(app)))
            yield Relayed(app, batch, blobs, tables)
            for relay in (batch, blobs, tables):
                relay.spoil = pass_all
            await app.clients.batch.begin_delete_pool(app.settings.pool.id)
        finally:
            await app.clients.close()


def where(method: str, fragment: str, spoiled: Spoiled, times: int | None = None) -> Spoil:
    """Spoil the answers to requests with this method and this in their path, all or the first few."""
    left = [times]

    def spoil(asked: Asked) -> Spoiled | None:
        if asked.method != method or fragment not in asked.path or left[0] == 0:
            return None
        if left[0] is not None:
            left[0] -= 1
        return spoiled

    return spoil
