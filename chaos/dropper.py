"""Drops the planned versions one after the other, single ones and bursts, until somebody needs one in particular."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import ContainerClient

from chaos.errors import ChaosError
from chaos.files import Version

_BURSTS: Final = (1, 1, 1, 3, 12)
#: One version in so many is kept back for later retries.
_KEPT: Final = 6


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A version that is or was in the input container, as Storage knows it."""

    version: Version
    etag: str
    last_modified: datetime


class Dropper:
    """Knows what has been dropped, in `done`, and what is still to come."""

    def __init__(self, inputs: ContainerClient, versions: list[Version], dice: Random) -> None:
        self._inputs = inputs
        self._waiting = list(versions)
        self._dice = dice
        self._in_turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.done: list[Dropped] = []

    async def drop_most(self, seconds: float) -> None:
        """Drop everything but a few in about this time."""
        kept = len(self._waiting) // _KEPT
        pause = seconds / max(1, len(self._waiting) - kept)
        while len(self._waiting) > kept:
            burst = self._dice.choice(_BURSTS)
            await asyncio.gather(*(self.drop_next(leaving=kept) for _ in range(burst)))
            await asyncio.sleep(pause * burst * self._dice.uniform(0.2, 1.5))

    async def drop_rest(self) -> None:
        """Drop at once what is left."""
        await asyncio.gather(*(self.drop_next() for _ in range(len(self._waiting))))

    async def drop_next(self, leaving: int = 0) -> Dropped | None:
        """Drop the next version now, unless that would leave fewer than so many; None if none was dropped."""
        if len(self._waiting) <= leaving:
            return None
        version = self._waiting.pop(0)
        async with self._in_turn[version.name]:
            reply = await self._upload(version)
        dropped = Dropped(version=version, etag=reply["etag"].strip('"'), last_modified=reply["last_modified"])
        self.done.append(dropped)
        return dropped

    async def _upload(self, version: Version) -> dict[str, Any]:
        try:
            return await self._inputs.get_blob_client(version.name).upload_blob(version.content, overwrite=True)
        except AzureError as exc:
            raise ChaosError(f"Storage does not take {version.name!r}: {str(exc).splitlines()[0]}") from exc
