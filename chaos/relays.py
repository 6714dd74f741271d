"""Answers that are not the services' own, for a while: what proxies and login pages say, half documents, nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from chaos.relay import Asked, Ending, Relay, Spoil, Spoiled, pass_all, relaying

#: The queue that the app announces ends on.
ENDS_QUEUE: Final = "chaos-ends"

_PAGE: Final = b"<html><title>Sign in</title>Sign in to continue</html>"
_STATUSES: Final = (200, 302, 400, 401, 403, 404, 405, 407, 409, 416, 418)
_BODIES: Final = (b"", b"null", b"[1]", b'{"value":[null]}', b"{}")


@dataclass(frozen=True, kw_only=True)
class Relays:
    """A relay before each service that the app speaks to."""

    batch: Relay
    blobs: Relay
    tables: Relay
    #: The host's own messages are in the same service, and pass.
    queues: Relay

    @property
    def all(self) -> Sequence[Relay]:
        return (self.batch, self.blobs, self.tables, self.queues)

    @property
    def struck(self) -> int:
        """How many answers have been spoiled."""
        return sum(relay.struck for relay in self.all)

    def spoil_some(self, dice: Random) -> None:
        """Spoil answers of one service or of several, each in its own way, until `pass_everything`."""
        for relay in dice.sample(self.all, dice.randint(1, 3)):
            spoil = _sometimes(_spoiled(dice), dice.uniform(0.2, 0.8), Random(dice.random()))  # noqa: S311
            relay.spoil = _of_ends(spoil) if relay is self.queues else spoil

    def pass_everything(self) -> None:
        for relay in self.all:
            relay.spoil = pass_all

    def led_through(self, values: dict[str, str]) -> dict[str, str]:
        """Return app settings whose services are reached through the relays."""
        storage = values["DATA_STORAGE"]
        for relay in (self.blobs, self.tables, self.queues):
            storage = storage.replace(f"{relay.target}/", f"{relay.endpoint}/")
        return {**values, "DATA_STORAGE": storage, "BATCH_ENDPOINT": self.batch.endpoint}


@asynccontextmanager
async def relays_to(values: dict[str, str]) -> AsyncIterator[Relays]:
    """Run a relay to each service of these app settings until the block is left."""
    storage = dict(part.split("=", 1) for part in values["DATA_STORAGE"].rstrip(";").split(";"))
    async with AsyncExitStack() as running:
        yield Relays(
            batch=await running.enter_async_context(relaying(values["BATCH_ENDPOINT"])),
            blobs=await running.enter_async_context(relaying(storage["BlobEndpoint"])),
            tables=await running.enter_async_context(relaying(storage["TableEndpoint"])),
            queues=await running.enter_async_context(relaying(storage["QueueEndpoint"])),
        )


def _of_ends(spoil: Spoil) -> Spoil:
    return lambda asked: spoil(asked) if f"/{ENDS_QUEUE}" in asked.path else None


def _spoiled(dice: Random) -> Spoiled:
    page = Spoiled(status=dice.choice(_STATUSES), body=_PAGE, content_type="text/html")
    document = Spoiled(status=200, body=dice.choice(_BODIES), content_type="application/json")
    half = Spoiled(ending=Ending.HALF)
    broken_off = Spoiled(ending=Ending.BROKEN_OFF, keeps_headers=True)
    spoiled = dice.choice([page, page, document, half, broken_off])
    # Half of an answer can only be had once there is one.
    return replace(spoiled, is_after=spoiled.body is None or dice.random() < 0.5)


def _sometimes(spoiled: Spoiled, probability: float, dice: Random) -> Spoil:
    def spoil(asked: Asked) -> Spoiled | None:
        # With a signature in the URL a node reads its input: what Batch makes of that is not the app's business.
        is_node = "sig=" in asked.path
        return spoiled if dice.random() < probability and not is_node else None

    return spoil
