"""The nodes of both pools, and what is done to them: they vanish, are preempted, break, are out of reach."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Final

from chaos.errors import ChaosError
from chaos.routes import SCALED_POOL
from chaos.system import System

_HARMED: Final = {"unusable", "unknown", "preempted"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node as the emulator keeps it."""

    pool: str
    id: str
    state: str

    @property
    def is_spot(self) -> bool:
        return self.pool == SCALED_POOL


class Nodes:
    """Does harm to nodes, and counts it; the files on those that are `lost` are gone, of which some have `vanished`."""

    def __init__(self, system: System, dice: Random, done: Counter[str]) -> None:
        self._system = system
        self._dice = dice
        self._done = done
        self.lost: set[str] = set()
        self.vanished: set[str] = set()

    async def list(self) -> list[Node]:
        """Return the nodes, in the order of their names; not by the API, which may be answering with faults."""
        async with self._system.http.get(self._system.control("state")) as response:
            tables = (await response.json())["tables"]
        pools = {row["no"]: row["id"] for row in tables["pools"]["rows"]}
        nodes = [Node(pool=pools[row["pool_no"]], id=row["id"], state=row["state"]) for row in tables["nodes"]["rows"]]
        return sorted(nodes, key=lambda node: (node.pool, node.id))

    async def harm(self) -> None:
        """Let a node vanish, or break for a while."""
        node = self._dice.choice(await self.list())
        harm = self._dice.choice(["lose", "lose", "makeunusable", "makeunknown"])
        if harm == "lose":
            self.lost.add(node.id)
            self.vanished.add(node.id)
        if not await self._do(node, harm, {"replace": True} if harm == "lose" else {}):
            return
        self._done["nodes lost" if harm == "lose" else "nodes broken for a while"] += 1
        if harm != "lose":
            await asyncio.sleep(self._dice.uniform(0.5, 2))
            await self.repair()

    async def preempt(self) -> bool:
        """Take one of the Spot nodes away with its files; returns whether there was one.

        Where all have been taken away, they come back.
        """
        spot = [node for node in await self.list() if node.is_spot and node.state not in _HARMED]
        if not spot:
            await self.repair()
            return False
        # One that runs something is worth more.
        node = self._dice.choice([node for node in spot if node.state == "running"] or spot)
        self.lost.add(node.id)
        if not await self._do(node, "preempt", {}):
            return False
        self._done["nodes preempted"] += 1
        await asyncio.sleep(self._dice.uniform(0.5, 3))
        return True

    async def repair(self) -> None:
        """Bring back every node that is harmed and still there."""
        for node in await self.list():
            if node.state in _HARMED:
                await self._do(node, "recover", {})

    async def _do(self, node: Node, what: str, options: dict[str, bool]) -> bool:
        """Ask the emulator to do something to a node; returns False if the app has removed it meanwhile."""
        path = f"pools/{node.pool}/nodes/{node.id}/{what}"
        async with self._system.http.post(self._system.control(path), json=options) as response:
            if response.status == HTTPStatus.NO_CONTENT:
                return True
            if response.status == HTTPStatus.NOT_FOUND and node.is_spot:
                return False
            raise ChaosError(f"the emulator does not {what} node {node.id}: {await response.text()}")
